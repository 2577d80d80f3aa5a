package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// shop is an MCP server over standard input and output, for scripts: it has a stock of fruit, and
// each process its own. The environment variable SHOPS, if set, names a folder in which each leaves its number. It never answers to
// who sets a number below 0, and leaves the file stuck there.
func shop() {
	if dir := os.Getenv("SHOPS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(os.Getpid())), nil, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	stock := map[string]int{"apples": 3, "pears": 5}
	s := mcp.NewServer(&mcp.Implementation{Name: "shop", Version: "1"}, nil)
	type item struct {
		Item string `json:"item" jsonschema:"a fruit"`
	}
	type change struct {
		Item  string `json:"item" jsonschema:"a fruit"`
		Count int    `json:"count" jsonschema:"the new number"`
	}
	type level struct {
		Count int `json:"count"`
	}
	mcp.AddTool(s, &mcp.Tool{Name: "get_stock", Description: "get the number of a fruit", Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true}},
		func(_ context.Context, _ *mcp.CallToolRequest, in item) (*mcp.CallToolResult, level, error) {
			n, ok := stock[in.Item]
			if !ok {
				return nil, level{}, fmt.Errorf("there is no fruit %s", in.Item)
			}
			return nil, level{n}, nil
		})
	mcp.AddTool(s, &mcp.Tool{Name: "set_stock", Description: "set the number of a fruit"},
		func(_ context.Context, _ *mcp.CallToolRequest, in change) (*mcp.CallToolResult, level, error) {
			if in.Count < 0 {
				err := os.WriteFile(filepath.Join(os.Getenv("SHOPS"), "stuck"), nil, 0o644)
				time.Sleep(time.Hour)
				return nil, level{}, err
			}
			stock[in.Item] = in.Count
			return nil, level{in.Count}, nil
		})
	if err := s.Run(context.Background(), &mcp.StdioTransport{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
