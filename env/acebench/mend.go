package acebench

// Mend is a set of faults of the original that a verdict does without.
type Mend uint32

// The mends. None of them is the verdict official, All is strict.
const (
	MendNumbers Mend = 1 << iota
	MendStrings
	MendObjects
	MendLists
	MendWords
	MendEmpty
	MendItems
	MendSpaces
	MendTwice
	MendOptional
	MendLiterals
	MendDocs
	MendCalls
	MendNamed
	mendEnd

	Official Mend = 0
	Strict        = mendEnd - 1
)

func (m Mend) has(one Mend) bool { return m&one != 0 }

// Mends is the table of the mends: what the original does, and what strict does instead.
var Mends = []struct {
	Of        Mend
	Name      string
	Original  string
	Instead   string
	Reachable string // what it concerns
}{
	{MendNumbers, "numbers", "arguments whose gold is a number, a boolean or null are never compared, nor those whose gold is not of the " +
		"type that the schema names", "they are compared: numbers by value, booleans with booleans", "normal"},
	{MendStrings, "strings", "a string is right if it contains gold (November for no)", "it must equal gold, but for what the original " +
		"also ignores: case, blanks and , . / - _ * ^", "normal"},
	{MendObjects, "objects", "a value inside an object is right if its text contains gold's text (15 and 50.5 for 5); strings in lists " +
		"there are compared letter by letter", "it is compared by kind, as outside of objects", "normal"},
	{MendLists, "lists", "lists inside a list are compared letter by letter, and 1 equals true", "their values are compared by kind",
		"normal"},
	{MendWords, "words", "the strings true and false are booleans, so that a string parameter is never right with them",
		"they are strings where gold is one", "normal"},
	{MendEmpty, "empty", "an empty list or object in gold is never right", "an empty one is", "normal"},
	{MendItems, "items", "an array whose schema has no items is a list of objects", "it is a list of whatever gold has", "normal"},
	{MendSpaces, "spaces", "all white space is taken out of a multi-turn reply before it is read", "it stays", "normal_multi_turn"},
	{MendTwice, "twice", "one call of a reply may answer two calls of gold", "each answers one", "normal"},
	{MendOptional, "optional", "an argument that gold has may be missing if the schema does not require it",
		"all that gold has must be there", "normal"},
	{MendLiterals, "literals", "arguments without a name vanish, and every sign negates (+5 is -5)", "such a call is wrong, and +5 is 5",
		"format ast"},
	{MendDocs, "documentation", "a call is checked by the first function whose name is part of the call's",
		"by the function of that name, and by the longest name where none is", "normal"},
	{MendCalls, "calls", "a reply that calls is right if it also has the sentence", "a reply that calls has not declined", "special"},
	{MendNamed, "named", "names and values count inside of longer words, a reply may name every parameter, and that of a wrong value is not " +
		"looked at",
		"they count as whole words, no other parameter of the function may be named as missing, and that of a wrong value must be named",
		"special"},
}
