package acebench

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"slices"
	"strings"

	"ballast"
)

// promptsFile holds the texts of the benchmark, as its program has them.
//
//go:embed prompts.json
var promptsFile []byte

// prompts are the texts. {x} stands for a field; in the templates of format tool {{ and }} are braces.
type prompts struct {
	Normal      string
	NormalTool  string `json:"normal_tool"`
	Preference  string
	Special     string
	User        string
	StepSystem  string `json:"step_system"`
	StepTool    string `json:"step_system_tool"`
	StepUser    string `json:"step_user"`
	TurnSystem  string `json:"turn_system"`
	TurnTool    string `json:"turn_system_tool"`
	TurnUser    string `json:"turn_user"`
	TravelRules string `json:"travel_rules"`
	PhoneRules  string `json:"phone_rules"`
	// Of who plays the user of an agent: what it is told, and what it is asked first.
	UserPhone  string `json:"user_phone"`
	UserTravel string `json:"user_travel"`
	UserFirst  string `json:"user_first"`
}

var texts = readPrompts()

func readPrompts() (p prompts) {
	d := json.NewDecoder(bytes.NewReader(promptsFile))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		panic("acebench: prompts.json: " + err.Error())
	}
	return p
}

// The roles of messages.
const (
	roleSystem    = "system"
	roleUser      = "user"
	roleAssistant = "assistant"
)

// Messages are the chat messages that a model gets for an item in a format. Of agents, history is
// the text of the conversation so far (section 2 of the benchmark's rules: user:, agent: and the
// execution's lines); of the others it is not looked at: their question is their history.
func Messages(it *Item, format, history string) []ballast.Message {
	return messages(it, format, history, it.list())
}

// messages is Messages where the list of the item's functions is written already.
func messages(it *Item, format, history, docs string) []ballast.Message {
	system, user := filled(it, format, history, docs)
	first := ballast.Message{Role: roleSystem, Text: system}
	if format == AST {
		return []ballast.Message{first, {Role: roleUser, Text: user}}
	}
	if !Agent(it.Category) {
		history = user
	}
	return append([]ballast.Message{first}, rebuilt(history)...)
}

// filled are the system text and, in format ast, the user's.
func filled(it *Item, format, history, docs string) (system, user string) {
	switch {
	case it.Category == MultiStep:
		if format == Tool {
			return fields(braces(texts.StepTool), "{function}", docs), ""
		}
		return texts.StepSystem, fields(texts.StepUser, "{functions}", docs, "{history}", history)
	case it.Category == MultiTurn:
		system, user = texts.TurnSystem, fields(texts.TurnUser, "{functions}", docs, "{history}", history)
		if format == Tool {
			system = fields(braces(texts.TurnTool), "{function}", docs)
		}
		if slices.Contains(it.Classes, "Travel") {
			system += texts.TravelRules
		}
		if slices.Contains(it.Classes, "BaseApi") {
			system += texts.PhoneRules
		}
		return system, user
	case it.Category == preference:
		system = fields(texts.Preference, "{profile}", it.Profile, "{function}", docs)
	case Special(it.Category):
		system = fields(texts.Special, "{time}", it.Time, "{function}", docs)
	case format == Tool:
		system = fields(braces(texts.NormalTool), "{time}", it.Time, "{function}", docs)
	default:
		system = fields(texts.Normal, "{time}", it.Time, "{function}", docs)
	}
	return system, fields(texts.User, "{question}", it.Question)
}

// fields fills a template. What is filled in is not looked at again.
func fields(template string, pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(template)
}

// braces are the templates of format tool as they read after str.format: doubled braces are single.
func braces(template string) string {
	return strings.NewReplacer("{{", "{", "}}", "}").Replace(template)
}
