package chat_test

import (
	"fmt"

	"ballast/chat"
	"ballast/value"
)

// A reply is read by the parser of its format, which says what kind of reply it is.
func ExampleFormat() {
	format := chat.Formats["hermes"]
	for _, reply := range []string{
		`<tool_call>{"name": "mv", "arguments": {"source": "a.txt", "times": 2}}</tool_call>`,
		"It is moved.",
		`<tool_call>{"name": "mv"`,
	} {
		parsed := format.Parse(reply, nil) // nil: nothing is known of the tools
		fmt.Printf("%v %q %q\n", parsed.Kind, parsed.Reason, parsed.Text)
		for _, call := range parsed.Calls {
			for _, arg := range call.Args {
				fmt.Println(" ", call.Name, arg.Name, value.Repr(arg.Value))
			}
		}
	}
	// Output:
	// call "" ""
	//   mv source 'a.txt'
	//   mv times 2
	// response "" "It is moved."
	// polluted "unclosed_tag" ""
}
