package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// connect starts a server with a database of its own.
func connect(t *testing.T) *mcp.ClientSession {
	t.Helper()
	s, err := openShop()
	if err != nil {
		t.Fatal(err)
	}
	here, there := mcp.NewInMemoryTransports()
	server, err := newServer(s).Connect(t.Context(), there, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		session.Close()
		server.Wait()
		s.Close()
	})
	return session
}

// play makes a call. What a server answers is one text.
func play(t *testing.T, s *mcp.ClientSession, name, arguments string) (text string, failed bool) {
	t.Helper()
	r, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: json.RawMessage(arguments)})
	if err != nil {
		t.Fatalf("%s(%s): %v", name, arguments, err)
	}
	if len(r.Content) != 1 {
		t.Fatalf("%s(%s): %d contents", name, arguments, len(r.Content))
	}
	return r.Content[0].(*mcp.TextContent).Text, r.IsError
}

// TestCalls plays calls one after the other on one database.
func TestCalls(t *testing.T) {
	s := connect(t)
	for _, c := range []struct {
		name, arguments, want string
		failed                bool
	}{
		{"find_customer", `{"name":"finch"}`, `{"customer":3,"address":"northgate"}`, false},
		{"find_customer", `{"name":"nobody"}`, "No customer has the name nobody.", true},
		{"list_orders", `{"customer":3}`,
			`{"orders":[{"order":103,"status":"open"},{"order":115,"status":"open"},{"order":127,"status":"cancelled"}]}`, false},
		{"list_orders", `{"customer":99}`, "There is no customer 99.", true},
		{"get_product", `{"product":"candle"}`, `{"price":6,"stock":90}`, false},
		{"get_product", `{"product":"yacht"}`, "There is no product yacht.", true},
		{"order_total", `{"order":999}`, "There is no order 999.", true},

		{"place_order", `{"customer":3,"product":"candle","quantity":5}`, `{"order":155,"total":30}`, false},
		{"get_order", `{"order":155}`, `{"customer":3,"product":"candle","quantity":5,"status":"open","address":"northgate"}`, false},
		{"order_total", `{"order":155}`, `{"total":30}`, false},
		{"get_product", `{"product":"candle"}`, `{"price":6,"stock":85}`, false},
		{"place_order", `{"customer":99,"product":"candle","quantity":5}`, "There is no customer 99.", true},
		{"place_order", `{"customer":3,"product":"yacht","quantity":5}`, "There is no product yacht.", true},
		{"place_order", `{"customer":3,"product":"candle","quantity":0}`, "The quantity must be 1 or more.", true},
		{"place_order", `{"customer":3,"product":"candle","quantity":86}`, "Only 85 of candle are in stock.", true},
		{"get_product", `{"product":"candle"}`, `{"price":6,"stock":85}`, false}, // what failed took nothing

		{"change_quantity", `{"order":155,"quantity":2}`, `{"order":155,"quantity":2}`, false},
		{"get_product", `{"product":"candle"}`, `{"price":6,"stock":88}`, false},
		{"change_quantity", `{"order":155,"quantity":91}`, "Only 88 of candle are in stock.", true},
		{"set_address", `{"order":155,"address":"oakgate"}`, `{"order":155,"address":"oakgate"}`, false},
		{"set_address", `{"order":155,"address":""}`, "The address is empty.", true},
		{"cancel_order", `{"order":155}`, `{"order":155,"status":"cancelled"}`, false},
		{"get_product", `{"product":"candle"}`, `{"price":6,"stock":90}`, false},
		{"cancel_order", `{"order":155}`, "Order 155 is cancelled and cannot be changed.", true},
		{"change_quantity", `{"order":102,"quantity":1}`, "Order 102 is shipped and cannot be changed.", true},
		{"set_address", `{"order":102,"address":"oakgate"}`, "Order 102 is shipped and cannot be changed.", true},
		{"cancel_order", `{"order":999}`, "There is no order 999.", true},
		{"get_order", `{"order":155}`, `{"customer":3,"product":"candle","quantity":2,"status":"cancelled","address":"oakgate"}`, false},
		{"place_order", `{"customer":3,"product":"candle","quantity":1}`, `{"order":156,"total":6}`, false}, // no number is lost to what failed
	} {
		if got, failed := play(t, s, c.name, c.arguments); got != c.want || failed != c.failed {
			t.Errorf("%s(%s) answers %q, failed %t; want %q, %t", c.name, c.arguments, got, failed, c.want, c.failed)
		}
	}
}

// TestWrongArguments: what the schema refuses is a tool error, too.
func TestWrongArguments(t *testing.T) {
	s := connect(t)
	for _, arguments := range []string{`{}`, `{"order":"many"}`, `{"order":101,"more":1}`} {
		if text, failed := play(t, s, "get_order", arguments); !failed || text == "" {
			t.Errorf("get_order(%s) answers %q, failed %t", arguments, text, failed)
		}
	}
}

// TestServersAreApart: what one server is told no other knows.
func TestServersAreApart(t *testing.T) {
	a, b := connect(t), connect(t)
	play(t, a, "cancel_order", `{"order":101}`)
	if text, _ := play(t, b, "get_order", `{"order":101}`); !strings.Contains(text, isOpen) {
		t.Errorf("the other server answers %s", text)
	}
}

// TestSideBySide: calls that arrive together take turns, and no piece is sold twice.
func TestSideBySide(t *testing.T) {
	s := connect(t)
	const calls = 30 // of 15 jackets
	results := make(chan bool, calls)
	for range calls {
		go func() {
			r, err := s.CallTool(context.Background(), &mcp.CallToolParams{Name: "place_order",
				Arguments: json.RawMessage(`{"customer":1,"product":"jacket","quantity":1}`)})
			results <- err == nil && !r.IsError
		}()
	}
	sold := 0
	for range calls {
		if <-results {
			sold++
		}
	}
	if text, _ := play(t, s, "get_product", `{"product":"jacket"}`); sold != 15 || text != `{"price":72,"stock":0}` {
		t.Errorf("%d sold, and get_product answers %s", sold, text)
	}
}

// TestTools holds what a small model can read, and which tools say that they only read.
func TestTools(t *testing.T) {
	list, err := connect(t).ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Tools) != 9 {
		t.Errorf("%d tools", len(list.Tools))
	}
	reads := " find_customer list_orders get_order order_total get_product "
	for _, tool := range list.Tools {
		if got := tool.Annotations.ReadOnlyHint; got != strings.Contains(reads, " "+tool.Name+" ") {
			t.Errorf("%s says that it only reads: %t", tool.Name, got)
		}
		if len(tool.Description) > 60 || tool.Description == "" {
			t.Errorf("%s has a description of %d characters", tool.Name, len(tool.Description))
		}
		if tool.OutputSchema != nil {
			t.Errorf("%s has an output schema, which nobody reads", tool.Name)
		}
		if p := tool.InputSchema.(map[string]any)["properties"].(map[string]any); len(p) == 0 || len(p) > 4 {
			t.Errorf("%s has %d parameters", tool.Name, len(p))
		}
	}
}

// TestMain runs the program itself where TestProgram asks for it.
func TestMain(m *testing.M) {
	if os.Getenv("ORDERS_MAIN") != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestProgram: the program speaks over its standard input and output, and ends when they close.
func TestProgram(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "ORDERS_MAIN=1")
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.CommandTransport{Command: cmd}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if text, failed := play(t, session, "order_total", `{"order":101}`); failed || !strings.HasPrefix(text, `{"total":`) {
		t.Errorf("answers %q, failed %t", text, failed)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	if state := cmd.ProcessState; state == nil || !state.Success() {
		t.Errorf("ends as %v", state)
	}
}
