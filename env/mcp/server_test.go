package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"ballast"
	"ballast/confined"
	"ballast/value"
)

// serveFlag makes this test binary an MCP server over stdio; what follows says what is wrong with it.
const serveFlag = "-serve="

func TestMain(m *testing.M) {
	confined.Main()
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], serveFlag) {
		serve(strings.TrimPrefix(os.Args[1], serveFlag), os.Args[2:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serve is the server. It remembers what it is told.
func serve(what string, args []string) {
	fmt.Fprintln(os.Stderr, "server", what, "starts")
	switch what {
	case "sit":
		time.Sleep(time.Hour)
	case "dead":
		os.Exit(4)
	case "banner":
		fmt.Println("Server started on stdio!")
	case "deaf":
		time.Sleep(time.Hour)
	case "echo":
		_, _ = io.Copy(os.Stdout, os.Stdin)
		return
	case "slow":
		time.Sleep(2 * time.Second)
	case "leaves":
		return
	case "ancient":
		ancient()
		return
	}
	s := remembering(what, args)
	if err := s.Run(context.Background(), &sdk.StdioTransport{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// ancient answers the first message in a version of the protocol that nobody speaks.
func ancient() {
	var m struct{ ID json.RawMessage }
	if err := json.NewDecoder(os.Stdin).Decode(&m); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"1999-12-31","capabilities":{"tools":{}},"serverInfo":{"name":"a","version":"1"}}}`+"\n", m.ID)
	time.Sleep(time.Hour)
}

type words struct {
	Text string `json:"text" jsonschema:"what to remember"`
}

type sum struct {
	Zeta  int `json:"zeta"`
	Alpha int `json:"alpha,omitempty"`
}

type nothing struct{}

func texts(parts ...string) *sdk.CallToolResult {
	r := &sdk.CallToolResult{}
	for _, p := range parts {
		r.Content = append(r.Content, &sdk.TextContent{Text: p})
	}
	return r
}

// remembering is a server with a memory, and tools that do what tools do at their worst.
func remembering(what string, args []string) *sdk.Server {
	var mu sync.Mutex
	var memory []string
	s := sdk.NewServer(&sdk.Implementation{Name: "memory", Version: "1"}, nil)
	reads := &sdk.ToolAnnotations{ReadOnlyHint: true}
	add := func(name string, hint *sdk.ToolAnnotations, do func(ctx context.Context) (*sdk.CallToolResult, error)) {
		sdk.AddTool(s, &sdk.Tool{Name: name, Annotations: hint},
			func(ctx context.Context, _ *sdk.CallToolRequest, _ nothing) (*sdk.CallToolResult, any, error) {
				r, err := do(ctx)
				return r, nil, err
			})
	}
	add("recall", reads, func(context.Context) (*sdk.CallToolResult, error) {
		if what == "every" {
			crash(args[0])
		}
		mu.Lock()
		defer mu.Unlock()
		return texts(strings.Join(memory, ",")), nil
	})
	if what == "reader" {
		return s
	}
	sdk.AddTool(s, &sdk.Tool{Name: "remember", Description: "Remember a text."},
		func(_ context.Context, _ *sdk.CallToolRequest, in words) (*sdk.CallToolResult, any, error) {
			mu.Lock()
			defer mu.Unlock()
			memory = append(memory, in.Text)
			return texts("noted"), nil, nil
		})
	sdk.AddTool(s, &sdk.Tool{Name: "add"}, func(_ context.Context, _ *sdk.CallToolRequest, in sum) (*sdk.CallToolResult, any, error) {
		return texts(fmt.Sprint(in.Zeta + in.Alpha)), nil, nil
	})
	s.AddTool(&sdk.Tool{Name: "order", InputSchema: json.RawMessage(`{"$schema":"x","type":"object","properties":{
		"zeta":{"type":"string","enum":["b","a"]},"alpha":{"type":"object","properties":{"y":{},"x":{}}},"mid":{"type":"integer"}},"required":["zeta"]}`)},
		func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
			return &sdk.CallToolResult{Content: []sdk.Content{}, StructuredContent: json.RawMessage(`{"zeta": 1, "alpha": {"y": 2.0, "x": 3}}`)}, nil
		})
	add("forget", nil, func(context.Context) (*sdk.CallToolResult, error) {
		mu.Lock()
		defer mu.Unlock()
		if what != "keeps" {
			memory = nil
		}
		return texts("forgotten"), nil
	})
	add("calm", nil, func(context.Context) (*sdk.CallToolResult, error) { return texts("error: none was found"), nil })
	add("refuse", nil, func(context.Context) (*sdk.CallToolResult, error) { return nil, errors.New("no such order") })
	add("media", nil, func(context.Context) (*sdk.CallToolResult, error) {
		r := texts("a", "b")
		r.Content = append(r.Content, &sdk.ImageContent{Data: []byte{1}, MIMEType: "image/png"}, &sdk.AudioContent{Data: []byte{1}, MIMEType: "audio/wav"},
			&sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: "file:///a", Text: "inside"}},
			&sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: "file:///b", Blob: []byte{1}, MIMEType: "x/y"}},
			&sdk.ResourceLink{URI: "file:///c", Name: "c"})
		return r, nil
	})
	add("quotes", nil, func(context.Context) (*sdk.CallToolResult, error) {
		return &sdk.CallToolResult{Content: []sdk.Content{}, StructuredContent: map[string]string{"text": strings.Repeat(`"`, quotes)}}, nil
	})
	misbehave(add)
	return s
}

// quotes are as many as make a message of more than half a MiB.
const quotes = 300_000

// misbehave adds the tools at which machines break.
func misbehave(add func(string, *sdk.ToolAnnotations, func(context.Context) (*sdk.CallToolResult, error))) {
	add("tick", nil, func(context.Context) (*sdk.CallToolResult, error) {
		time.Sleep(20 * time.Millisecond)
		return texts("tock"), nil
	})
	add("crash", nil, func(context.Context) (*sdk.CallToolResult, error) {
		fmt.Fprintln(os.Stderr, "Traceback: the database is gone")
		os.Exit(3)
		return nil, nil
	})
	add("hang", nil, func(ctx context.Context) (*sdk.CallToolResult, error) {
		time.Sleep(time.Hour)
		return nil, nil
	})
	add("garbage", nil, func(context.Context) (*sdk.CallToolResult, error) {
		fmt.Println("DEBUG: here I am")
		return texts("fine"), nil
	})
	add("flood", nil, func(context.Context) (*sdk.CallToolResult, error) {
		for {
			fmt.Println(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"` + strings.Repeat("x", 1000) + `"}}`)
		}
	})
	add("long", nil, func(context.Context) (*sdk.CallToolResult, error) {
		for {
			fmt.Print(strings.Repeat("x", 10_000))
		}
	})
	add("grow", nil, func(context.Context) (*sdk.CallToolResult, error) {
		var all [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 1 << 10 { // some of every page
				b[i] = 1
			}
			all = append(all, b)
			time.Sleep(time.Millisecond)
		}
	})
	add("fork", nil, func(context.Context) (*sdk.CallToolResult, error) {
		c := exec.Command(thisFile(), serveFlag+"sit")
		c.SysProcAttr = newSession()
		if err := c.Start(); err != nil {
			return nil, err
		}
		return texts("forked"), nil
	})
}

// crash ends the process at every 50th call of all processes that share a file.
func crash(file string) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	_, _ = f.WriteString("x")
	if info, err := f.Stat(); err == nil && info.Size()%50 == 0 {
		os.Exit(5)
	}
}

func thisFile() string {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return exe
}

// command is the command line of such a server.
func command(what string, args ...string) string {
	line := "'" + thisFile() + "' " + serveFlag + what
	for _, a := range args {
		line += " '" + a + "'"
	}
	return line
}

// connect starts a server for a test.
func connect(t testing.TB, c Config) *Server {
	t.Helper()
	s, err := Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func open(t testing.TB, s *Server) ballast.Session {
	t.Helper()
	e, err := s.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func parse(t testing.TB, text string) ballast.Call {
	t.Helper()
	c, err := value.ParseCall(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ask makes a call that must not fail.
func ask(t testing.TB, e ballast.Session, text string) string {
	t.Helper()
	answer, err := e.Call(t.Context(), parse(t, text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return answer
}

// wait waits until something holds.
func wait(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for range 3000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s: not within 30 seconds", what)
}
