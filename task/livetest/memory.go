package livetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"ballast"
	"ballast/value"
)

// Memory is a graph of entities that is empty at first.
func Memory() *World {
	w := &World{New: func() func(string, *value.Dict) string { return (&graph{}).answer }}
	w.List = append(w.List,
		tool("create_entities", "Create multiple new entities in the knowledge graph", `"entities": {"type": "array", "items": {"type": "object", "properties": {
			"name": {"type": "string", "description": "The name of the entity"}, "entityType": {"type": "string", "description": "The type of the entity"},
			"observations": {"type": "array", "items": {"type": "string"}, "description": "An array of observation contents associated with the entity"}},
			"required": ["name", "entityType", "observations"]}}`, false, "entities"),
		tool("add_observations", "Add new observations to existing entities in the knowledge graph", `"observations": {"type": "array", "items": {"type": "object", "properties": {
			"entityName": {"type": "string", "description": "The name of the entity to add the observations to"},
			"contents": {"type": "array", "items": {"type": "string"}, "description": "An array of observation contents to add"}}, "required": ["entityName", "contents"]}}`, false, "observations"),
		tool("delete_entities", "Delete multiple entities from the knowledge graph", `"entityNames": {"type": "array", "items": {"type": "string"}, "description": "An array of entity names to delete"}`, false, "entityNames"),
		tool("read_graph", "Read the entire knowledge graph", ``, true),
		tool("search_nodes", "Search for nodes in the knowledge graph based on a query", `"query": {"type": "string", "description": "The search query to match against entity names, types, and observation content"}`, true, "query"),
		tool("open_nodes", "Open specific nodes in the knowledge graph by their names", `"names": {"type": "array", "items": {"type": "string"}, "description": "An array of entity names to retrieve"}`, true, "names"))
	return w
}

type graph struct{ entities []*value.Dict }

func (g *graph) named(name any) *value.Dict {
	for _, e := range g.entities {
		if n, _ := e.GetString("name"); value.Equal(n, name) {
			return e
		}
	}
	return nil
}

func (g *graph) answer(name string, args *value.Dict) string {
	l := &value.List{}
	switch name {
	case "create_entities":
		for _, x := range list(args, "entities") {
			d := x.(*value.Dict)
			n, _ := d.GetString("name")
			if g.named(n) == nil {
				g.entities = append(g.entities, d)
				l.Items = append(l.Items, d)
			}
		}
		return show(l)
	case "add_observations":
		for _, x := range list(args, "observations") {
			d := x.(*value.Dict)
			n, _ := d.GetString("entityName")
			e := g.named(n)
			if e == nil {
				return fmt.Sprintf("Error: Entity with name %v not found", n)
			}
			have, _ := e.GetString("observations")
			have.(*value.List).Items = append(have.(*value.List).Items, list(d, "contents")...)
			l.Items = append(l.Items, d)
		}
		return show(l)
	case "delete_entities":
		for _, n := range list(args, "entityNames") {
			for i, e := range g.entities {
				if have, _ := e.GetString("name"); value.Equal(have, n) {
					g.entities = append(g.entities[:i:i], g.entities[i+1:]...)
					break
				}
			}
		}
		return "Entities deleted successfully"
	}
	for _, e := range g.entities {
		keep := name == "read_graph"
		if name == "search_nodes" {
			keep = strings.Contains(strings.ToLower(show(e)), strings.ToLower(text(args, "query")))
		}
		for _, n := range list(args, "names") {
			have, _ := e.GetString("name")
			keep = keep || value.Equal(have, n)
		}
		if keep {
			l.Items = append(l.Items, e)
		}
	}
	return show(value.NewDict("entities", l, "relations", value.NewList()))
}

// Drawn is a server whose answers are drawn anew every time, but for one.
func Drawn() *World {
	w := &World{New: func() func(string, *value.Dict) string {
		return func(name string, args *value.Dict) string {
			switch name {
			case "list_dice":
				return `{"dice": [{"name": "crimson", "sides": 6}, {"name": "ivory", "sides": 12}, {"name": "onyx", "sides": 20}, {"name": "jade", "sides": 8}]}`
			case "roll_dice":
				return show(value.NewDict("dice", text(args, "dice_name"), "rolled", int64(rand.IntN(1_000_000_000))))
			}
			return fmt.Sprintf("%d", rand.Int64())
		}
	}}
	w.List = append(w.List, tool("list_dice", "List the dice.", ``, true), tool("draw_number", "Draw a number.", ``, true),
		tool("roll_dice", "Roll a die.", `"dice_name": {"type": "string"}`, true, "dice_name"))
	return w
}

// Failing is Orders on a machine where every n-th call breaks.
func Failing(n int64) *World {
	w := Orders()
	w.Broken = func(call int64) error {
		if call%n == 0 {
			return errors.New("the server is gone")
		}
		return nil
	}
	return w
}

// Refusing is a server that answers every call with a mistake.
func Refusing() *World {
	w := &World{New: func() func(string, *value.Dict) string {
		return func(string, *value.Dict) string { return "Error: not now" }
	}}
	w.List = []ballast.Tool{tool("list_things", "List the things.", ``, true), tool("get_thing", "Get a thing.", `"thing_id": {"type": "integer"}`, true, "thing_id")}
	return w
}
