package imports

import (
	"ballast"
	"ballast/supervise"
)

func isXLAM(o *object) bool { return o.has("query") && o.has("answers") }

// xlam reads rows of a question, the tools, and the calls that answer it, the lists as
// JSON text or not.
func (r *reader) xlam(o *object) error {
	if err := r.head(o); err != nil {
		return err
	}
	query, err := o.word("query")
	if err != nil {
		return err
	}
	if err := r.user(query, "query"); err != nil {
		return err
	}
	list, packed, _, err := o.list("answers")
	if err != nil {
		return err
	}
	var calls []ballast.Call
	for i, x := range list {
		c, _, err := r.call(x, index("answers", i), packed)
		if err != nil {
			return err
		}
		calls = append(calls, c)
	}
	return r.reply(supervise.Message{Calls: calls, At: "answers"}, nil)
}
