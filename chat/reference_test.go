package chat

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"ballast"
	"ballast/value"
)

// jinjaCase is a rendering of a model's own Jinja template by transformers.
type jinjaCase struct {
	Template, Format, Name, Text string
	Open                         bool
	Tools                        json.RawMessage
	Messages                     []struct {
		Role, Content string
		Calls         []struct {
			Function struct {
				Name      string
				Arguments json.RawMessage
			}
		} `json:"tool_calls"`
	}
}

func TestJinja(t *testing.T) {
	data, err := os.ReadFile("testdata/jinja.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []jinjaCase
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Template+"/"+c.Name, func(t *testing.T) {
			if got := testTok().Decode(jinjaDialogue(t, c).Tokens()); got != c.Text {
				t.Errorf("got\n%s\nwant\n%s", got, c.Text)
			}
		})
	}
}

// jinjaDialogue plays the messages of a case.
func jinjaDialogue(t *testing.T, c jinjaCase) *Dialogue {
	list, err := value.ParseJSON(c.Tools)
	if err != nil {
		t.Fatal(err)
	}
	var tools []ballast.Tool
	for _, doc := range list.(*value.List).Items {
		name, _ := doc.(*value.Dict).Get("name")
		tools = append(tools, ballast.Tool{Name: name.(string), Schema: doc})
	}
	f, tmpl := Formats[c.Format], Templates[c.Template]
	var system *string
	if c.Messages[0].Role == "system" {
		system = &c.Messages[0].Content
		c.Messages = c.Messages[1:]
	}
	d := newDialogue(testTok(), tmpl, f, tools, system, "")
	var results []string
	for _, m := range c.Messages {
		if m.Role != "tool" && results != nil {
			d.Results(results)
			results = nil
		}
		switch m.Role {
		case "user":
			d.User(m.Content)
		case "tool":
			results = append(results, m.Content)
		case "assistant":
			text := m.Content
			var calls []ballast.Call
			for _, x := range m.Calls {
				args, _ := value.ParseJSON(x.Function.Arguments)
				call := ballast.Call{Name: x.Function.Name}
				for i := range args.(*value.Dict).Len() {
					k, v := args.(*value.Dict).At(i)
					call.Args = append(call.Args, ballast.Arg{Name: k.(string), Value: v})
				}
				calls = append(calls, call)
			}
			if calls != nil {
				text = strings.TrimPrefix(text+"\n"+f.Render(calls, nil), "\n")
			}
			d.Open()
			d.Reply(d.Gold(text), ballast.OwnerGold)
		}
	}
	if results != nil {
		d.Results(results)
	}
	if c.Open {
		d.Open()
	} else if d.stage == replied { // what the next message would begin with
		d.write(part{text: d.closing(), owner: ballast.OwnerTemplate})
	}
	return d
}
