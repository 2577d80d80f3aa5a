package recipe

import (
	"encoding/json"
	"fmt"
	"strings"

	"ballast/bounded/yaml"
	"ballast/safetext"
)

// MCP is the server of a person's own tools; it plays the tasks of a tasks file.
type MCP struct {
	Server   string   `yaml:"server,omitempty"`
	Tools    []string `yaml:"tools,omitempty"`
	Env      []string `yaml:"env,omitempty"`
	Dir      string   `yaml:"dir,omitempty"`
	Reads    bool     `yaml:"reads,omitempty"`
	ReadOnly []string `yaml:"read_only,omitempty"`
	Reset    ToolCall `yaml:"reset,omitempty"`
	Isolate  string   `yaml:"isolate,omitempty"`
	Token    string   `yaml:"token,omitempty"`
	Ahead    int      `yaml:"ahead,omitempty"`
	Sessions int      `yaml:"sessions,omitempty"`
	Seconds  float64  `yaml:"seconds,omitempty"`
	Memory   int      `yaml:"memory,omitempty"`
	Output   int      `yaml:"output,omitempty"`
}

// Remote says whether the server is reached by its address.
func (m *MCP) Remote() bool {
	return strings.HasPrefix(m.Server, "http://") || strings.HasPrefix(m.Server, "https://")
}

// ToolCall is a call of a tool as JSON, {"name": TOOL, "arguments": {NAME: VALUE}}. In YAML it is a map, or that text.
type ToolCall string

// UnmarshalYAML reads a map, or a text. Whoever makes the call says what is wrong with it.
func (c *ToolCall) UnmarshalYAML(text []byte) error {
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return err
	}
	if s, ok := v.(string); ok {
		*c = ToolCall(s)
		return nil
	}
	if _, ok := v.(map[string]any); !ok {
		return fmt.Errorf("a call is a map, {name: TOOL, arguments: {NAME: VALUE}}, and %s is none", safetext.Brief(fmt.Sprint(v), 60))
	}
	out, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("a call whose arguments no JSON can hold: %w", err)
	}
	*c = ToolCall(out)
	return nil
}
