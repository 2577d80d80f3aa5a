package acebench

import (
	"strings"

	"ballast"
	"ballast/value"
)

// GoldCalls are the calls that an item wants, of its first alternative; none of special items.
func GoldCalls(it *Item) (calls []ballast.Call) {
	gold := it.Gold
	if l, ok := gold.(*value.List); ok && len(l.Items) > 0 {
		gold = l.Items[0]
	}
	d, ok := gold.(*value.Dict)
	if !ok || family(it.Category) != normal {
		return nil
	}
	for i := range d.Len() {
		name, args := d.At(i)
		c := ballast.Call{Name: unnumbered(name.(string))}
		for k := range args.(*value.Dict).Len() {
			arg, v := args.(*value.Dict).At(k)
			c.Args = append(c.Args, ballast.Arg{Name: arg.(string), Value: v})
		}
		calls = append(calls, c)
	}
	return calls
}

// GoldReply is the reply that an item wants, in a format: its calls, or of special items the sentence that
// the prompt asks for.
func GoldReply(it *Item, format string) string {
	if Special(it.Category) {
		return `["` + sentence(it) + `"]`
	}
	var parts []string
	for _, c := range GoldCalls(it) {
		if format == AST {
			parts = append(parts, value.FormatCall(c))
			continue
		}
		args := value.MakeDict(len(c.Args))
		for _, a := range c.Args {
			args.Set(a.Name, a.Value)
		}
		body, err := value.JSON(value.NewDict("name", c.Name, "arguments", args))
		if err != nil {
			panic("acebench: " + it.ID + ": " + err.Error()) // gold comes from JSON
		}
		parts = append(parts, openCall+"\n"+body+"\n"+closeCall)
	}
	if format == AST {
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return strings.Join(parts, "\n")
}

// sentence is what a reply to a special item is to say.
func sentence(it *Item) string {
	var said []string
	gold, _ := it.Gold.(*value.Dict)
	if gold == nil {
		return "Due to " + sayNone + ", I cannot solve this problem."
	}
	for i := range gold.Len() {
		name, wanted := gold.At(i)
		var texts []string
		for _, v := range wanted.(*value.List).Items {
			texts = append(texts, v.(string))
		}
		list := strings.Join(texts, ", ")
		if it.Category == incomplete {
			said = append(said, sayMissing+" ("+list+") for the api ("+name.(string)+")")
		} else {
			said = append(said, sayWrong+" ("+list+") for the parameters ("+name.(string)+") in the conversation history.")
		}
	}
	return strings.Join(said, " ")
}
