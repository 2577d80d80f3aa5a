package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"ballast"
	"ballast/chat/tooldoc"
	"ballast/value"
)

// mostTools bounds the tools of a server.
const mostTools = 1000

// list asks for the tools of a server.
func (l *link) list(ctx context.Context) (tools []*sdk.Tool, err error) {
	limit := seconds(l.server.c.start)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it did not list its tools within %s; %s", limit, moreTime))
	defer cancel()
	for t, err := range l.cs.Tools(ctx, nil) {
		switch {
		case err != nil:
			return nil, l.why(ctx, err, KindStart)
		case len(tools) == mostTools:
			return nil, fmt.Errorf("it has more than %d tools", mostTools)
		}
		tools = append(tools, t)
	}
	if len(tools) == 0 {
		return nil, errors.New("it has no tools")
	}
	return tools, nil
}

// choose makes tools of those that are shown.
func (s *Server) choose(list []*sdk.Tool) error {
	have, hidden := map[string]bool{}, []string(nil)
	for _, t := range list {
		have[t.Name] = true
	}
	for _, name := range s.c.Tools {
		if !have[name] {
			return fmt.Errorf("mcp.tools: it has no tool %s; it has %s", name, named(list))
		}
	}
	if s.reset != nil {
		if !have[s.reset.Name] {
			return fmt.Errorf("mcp.reset: it has no tool %s; it has %s", s.reset.Name, named(list))
		}
		hidden = append(hidden, s.reset.Name)
	}
	for _, name := range s.c.ReadOnly {
		if !slices.ContainsFunc(list, func(t *sdk.Tool) bool { return t.Name == name }) {
			return fmt.Errorf("mcp.read_only: it has no tool %s; it has %s", name, named(list))
		}
	}
	s.tools, s.byName = nil, map[string]ballast.Tool{}
	for _, t := range list {
		if s.c.Tools != nil && !slices.Contains(s.c.Tools, t.Name) || slices.Contains(hidden, t.Name) {
			continue
		}
		if _, twice := s.byName[t.Name]; twice || t.Name == "" {
			return fmt.Errorf("the name %q of a tool is empty or occurs twice", t.Name)
		}
		tool, err := convert(t, s.isolate.argument)
		if err != nil {
			return fmt.Errorf("tool %s: %w", t.Name, err)
		}
		tool.ReadOnly = tool.ReadOnly || slices.Contains(s.c.ReadOnly, t.Name)
		s.tools = append(s.tools, tool)
		s.byName[t.Name] = tool
	}
	if len(s.tools) == 0 {
		return fmt.Errorf("none of its tools is shown; it has %s", named(list))
	}
	return nil
}

// named lists names.
func named(list []*sdk.Tool) string {
	var names []string
	for _, t := range list {
		names = append(names, t.Name)
	}
	return strings.Join(names, ", ")
}

// raw is what the server wrote of a field that the SDK decoded.
func raw(meta sdk.Meta, decoded any) ([]byte, error) {
	if text, ok := meta[rawKey].(string); ok {
		return []byte(text), nil
	}
	return json.Marshal(decoded)
}

// convert makes a tool as prompts show it: name, description, parameters. The parameter that isolates episodes is not shown.
func convert(t *sdk.Tool, without string) (ballast.Tool, error) {
	text, err := raw(t.Meta, t.InputSchema)
	if err != nil {
		return ballast.Tool{}, err
	}
	v, err := value.ParseExact(text)
	if err != nil {
		return ballast.Tool{}, fmt.Errorf("its inputSchema: %w", err)
	}
	schema, ok := v.(*value.Dict)
	if !ok {
		return ballast.Tool{}, fmt.Errorf("its inputSchema is no object: %s", text)
	}
	if without != "" {
		drop(schema, without)
	}
	tool := tooldoc.Served(t.Name, t.Description, schema)
	tool.ReadOnly = t.Annotations != nil && t.Annotations.ReadOnlyHint
	return tool, nil
}

// drop takes a parameter out of a schema.
func drop(schema *value.Dict, name string) {
	if props := schema.Object("properties"); props != nil {
		props.Delete(name)
	}
	if list, ok := schema.Member("required").(*value.List); ok {
		list.Items = slices.DeleteFunc(list.Items, func(v any) bool { return v == name })
	}
}

// arguments are those of a call as JSON. An error is the policy's doing. isolate, if not "", is the argument that gets the token.
func arguments(c ballast.Call, tool ballast.Tool, isolate, token string) (json.RawMessage, error) {
	c, err := tooldoc.Named(c, []ballast.Tool{tool})
	if err != nil {
		return nil, err
	}
	args := &value.Dict{}
	for _, a := range c.Args {
		if _, twice := args.GetString(a.Name); twice {
			return nil, fmt.Errorf("the argument %s is given twice", a.Name)
		}
		args.Set(a.Name, a.Value)
	}
	if isolate != "" {
		args.Set(isolate, token)
	}
	text, err := value.JSON(args)
	if err == nil && !json.Valid([]byte(text)) { // Python's NaN and Infinity
		err = errors.New("a number is not finite")
	}
	if err != nil {
		return nil, fmt.Errorf("the arguments are no JSON: %w", err)
	}
	return json.RawMessage(strings.ToValidUTF8(text, "\uFFFD")), nil
}

// answer is what a policy sees of a call, and whether the call failed. One that failed says so in its first word;
// one that did not may say that word, too.
type answer struct {
	text   string
	failed bool
}

// mistake is the answer of a call that failed.
func mistake(text string) answer {
	return answer{"error: " + strings.TrimPrefix(text, "error: "), true}
}

// read is the answer that a result is.
func read(r *sdk.CallToolResult) answer {
	var parts []string
	for _, c := range r.Content {
		switch c := c.(type) {
		case *sdk.TextContent:
			parts = append(parts, c.Text)
		case *sdk.ImageContent:
			parts = append(parts, notShown("an image", c.MIMEType))
		case *sdk.AudioContent:
			parts = append(parts, notShown("audio", c.MIMEType))
		case *sdk.ResourceLink:
			parts = append(parts, strings.TrimSpace(c.Name+" "+c.URI))
		case *sdk.EmbeddedResource:
			switch res := c.Resource; {
			case res == nil:
			case res.Text != "" || res.Blob == nil:
				parts = append(parts, res.Text)
			default:
				parts = append(parts, notShown("a file", res.MIMEType))
			}
		default:
			parts = append(parts, notShown("content of another kind", ""))
		}
	}
	text := strings.Join(parts, "\n")
	if len(parts) == 0 && r.StructuredContent != nil {
		text = structured(r)
	}
	switch {
	case r.NeedsInput():
		return mistake("the tool asks for input of a person, which it does not get here")
	case r.IsError:
		return mistake(text)
	}
	return answer{text, false}
}

// notShown is a sentence in the place of what is no text.
func notShown(what, kind string) string {
	if kind != "" {
		what += " (" + kind + ")"
	}
	return "[The tool returned " + what + ", which cannot be shown here.]"
}

// structured is a result's structured content as JSON, in the server's order.
func structured(r *sdk.CallToolResult) string {
	text, err := raw(r.Meta, r.StructuredContent)
	if err != nil { // it was decoded from JSON
		panic("mcp: " + err.Error())
	}
	var out bytes.Buffer
	if json.Compact(&out, text) != nil {
		return string(text)
	}
	return out.String()
}
