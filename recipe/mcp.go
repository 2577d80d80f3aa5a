package recipe

import "strings"

// MCP is the server of a person's own tools; it plays the tasks of a tasks file.
type MCP struct {
	Server   string   `yaml:"server,omitempty"`
	Tools    []string `yaml:"tools,omitempty"`
	Env      []string `yaml:"env,omitempty"`
	Reads    bool     `yaml:"reads,omitempty"`
	Reset    string   `yaml:"reset,omitempty"`
	Isolate  string   `yaml:"isolate,omitempty"`
	Token    string   `yaml:"token,omitempty"`
	Ahead    int      `yaml:"ahead,omitempty"`
	Sessions int      `yaml:"sessions,omitempty"`
	Seconds  float64  `yaml:"seconds,omitempty"`
	Memory   int      `yaml:"memory,omitempty"`
}

// Remote says whether the server is reached by its address.
func (m *MCP) Remote() bool {
	return strings.HasPrefix(m.Server, "http://") || strings.HasPrefix(m.Server, "https://")
}
