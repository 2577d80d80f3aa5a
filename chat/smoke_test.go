package chat

import (
	"testing"

	"ballast"
)

func TestSmoke(t *testing.T) {
	c := []ballast.Call{{Name: "f", Args: []ballast.Arg{{Name: "a", Value: "x <tool_call> \"'\\ é"}, {Name: "b", Value: int64(1)}}}, {Name: "g"}}
	for _, f := range Formats {
		r := f.Render(c)
		p := f.Parse("I do. \n"+r+"<|im_end|>\n", nil)
		t.Logf("%s %q %+v", f.Name(), r, p)
		for _, s := range []string{"", "<tool_call><|im_end|>", "Sure.", "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n", "[f(a=1", "a</tool_call>", "[f(a=1)] ok"} {
			p := f.Parse(s, nil)
			t.Log(s, p.Form, p.Reason, p.Calls)
		}
	}
}
