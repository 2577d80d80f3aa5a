// Package acebench holds what ACEBench (English) asks of a model and how it scores the answers:
// the prompts of all 17 categories in both of its formats, and the checker of the single-turn
// categories (normal_*, special_*).
//
// Contract: Messages gives the chat messages byte for byte, Official the verdict of the original
// program, its faults included, with its kinds of error and their texts. Strict mends what is
// wrong with that verdict; Mends is the table of what it mends. Both read replies by parsing:
// no text of a model is ever evaluated. The texts of the benchmark stand in prompts.json (see
// NOTICE). docs/acebench.md says where even gold fails, and which cases differ.
//
// How it fails: any reply has a verdict. Where the original program would end with an exception,
// the verdict is wrong and says so (Verdict.Crash). An item that is not of the benchmark's shape
// is an error of whoever reads the data (package task/acebench).
package acebench

import (
	"slices"
	"strings"

	"ballast/value"
)

// The formats in which the benchmark asks for calls. AST is its own, [name(argument='value')].
// Tool is that of the paper's "Content OOD" columns: JSON between <tool_call> tags, as in training.
const (
	AST  = "ast"
	Tool = "tool"
)

// Formats lists them.
var Formats = []string{AST, Tool}

// Families of categories.
const (
	normal  = "normal"
	special = "special"
	agent   = "agent"
)

// The categories that something depends on.
const (
	preference = "normal_preference"
	incomplete = "special_incomplete"
	errorParam = "special_error_param"
	irrelevant = "special_irrelevant"
	MultiStep  = "agent_multi_step"
	MultiTurn  = "agent_multi_turn"
)

// Categories lists the categories, the single-turn ones first.
var Categories = []string{
	"normal_single_turn_single_function", "normal_single_turn_parallel_function", "normal_multi_turn_user_adjust",
	"normal_multi_turn_user_switch", "normal_similar_api", preference, "normal_atom_bool", "normal_atom_enum", "normal_atom_number",
	"normal_atom_list", "normal_atom_object_deep", "normal_atom_object_short", incomplete, errorParam, irrelevant, MultiStep, MultiTurn,
}

// Single lists the categories that one reply decides, whose verdicts are this package's.
var Single = slices.DeleteFunc(slices.Clone(Categories), Agent)

// Agent says that a category is played in simulators.
func Agent(category string) bool { return family(category) == agent }

// Special says that a category wants the model to say what is wrong, and no call.
func Special(category string) bool { return family(category) == special }

// family is the part of a category's name before the first underscore.
func family(category string) string {
	f, _, _ := strings.Cut(category, "_")
	return f
}

// spaceless says that the original takes all white space out of a category's replies.
func spaceless(category string) bool { return strings.HasPrefix(category, "normal_multi_turn") }

// Item is one item of the benchmark.
type Item struct {
	ID, Category, Question string
	Time                   string // of normal and special items but preference: the line that tells the time; may be ""
	Profile                string // of preference
	Functions              []Function
	// Gold is what the item wants: of normal a *value.Dict of calls or a *value.List of such
	// alternatives, of special_irrelevant a sentence, of the other special ones a *value.Dict of
	// lists, of agents a *value.List of states.
	Gold any
	// Of agents: the configuration, the classes that are involved, and the calls on the way.
	Config     *value.Dict
	Classes    []string
	Milestones *value.List
}

// Function is one function that an item documents.
type Function struct {
	Name string
	Doc  *value.Dict // as it stands in the data
}

// Documented is the function that a call of gold is judged by: the first one whose name stands in
// the call's, which may end in a number (name_2) where a function is called several times. It is nil
// where there is none.
func (it *Item) Documented(call string) *Function {
	for i := range it.Functions {
		if strings.Contains(call, it.Functions[i].Name) {
			return &it.Functions[i]
		}
	}
	return nil
}

// list is the documentation of an item's functions as the prompts have it: Python's str of a list.
func (it *Item) list() string {
	l := value.MakeList(len(it.Functions))
	for i := range it.Functions {
		l.Items = append(l.Items, it.Functions[i].Doc)
	}
	return value.Repr(l)
}
