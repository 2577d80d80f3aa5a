package main

import (
	"fmt"
	"slices"
	"testing"
)

// What a line of the tasks file holds; docs/tasks-file.md has them all.
type (
	task struct {
		ID       string   `json:"id"`
		Split    string   `json:"split"`
		Category string   `json:"category"`
		Tools    []string `json:"tools"`
		Hold     []string `json:"hold,omitempty"`
		Turns    []turn   `json:"turns"`
	}
	turn struct {
		User   string   `json:"user"`
		Gold   []call   `json:"gold,omitempty"`
		Reply  string   `json:"reply"`
		Reveal []string `json:"reveal,omitempty"`
		Expect *expect  `json:"expect,omitempty"`
	}
	call struct {
		Name      string         `json:"name"`
		Arguments map[string]any `json:"arguments"`
	}
	expect struct {
		Calls *calls  `json:"calls,omitempty"`
		Reply *reply  `json:"reply,omitempty"`
		State []state `json:"state,omitempty"`
	}
	calls struct {
		Match string `json:"match"`
		Calls []call `json:"calls,omitempty"`
	}
	reply struct {
		Contains []string `json:"contains,omitempty"`
		Matches  string   `json:"matches,omitempty"`
		Number   *number  `json:"number,omitempty"`
	}
	number struct {
		Value int `json:"value"`
	}
	state struct {
		Call    call           `json:"call"`
		Returns map[string]any `json:"returns"`
	}
	args = map[string]any
)

// The tools by name, in the order in which tasks list them.
var allTools = []string{"find_customer", "list_orders", "get_order", "order_total", "get_product",
	"place_order", "cancel_order", "change_quantity", "set_address"}

// request is one thing that the user wants: one turn, which the categories make two of.
type request struct {
	turn
	needs []string // the tools of its calls
	bar   []string // tools that do the same together: none is listed where one of needs is held back
	// A request with an argument left out: what the user says first, what the assistant asks
	// then, the words by which a question is known, and what the user answers.
	part, ask, about, fill string
}

// composer writes the tasks of one split out of the seed. Each entity is used as seldom as its
// number allows; there is no chance in it.
type composer struct {
	shop      *shop
	split     string
	customers []int
	products  []string
	open      []int // orders that can be changed; each is changed once in a split
	all       []int // orders to ask for
	places    []string
	used      map[string]int
	turned    int // how often tools were chosen
}

// Customers up to this one are for training, the others for tests. What an order belongs to
// follows from its customer, and so do products and addresses.
const lastTrain = 12

// Addresses that the tasks change to. No customer lives there.
var places = map[string][]string{
	"train": {"amberly", "birchwood", "castleton", "denholm", "elmstead", "foxhill", "glenside", "harrow"},
	"test":  {"ivybridge", "kelsey", "larkfield", "moorgate"},
}

func newComposer(t *testing.T, split string) *composer {
	t.Helper()
	s, err := openShop()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c := &composer{shop: s, split: split, places: places[split], used: map[string]int{}}
	of := map[string]string{"train": "customer <= ?", "test": "customer > ?"}[split]
	c.customers = column[int](t, s, `SELECT DISTINCT customer FROM orders WHERE `+of+` ORDER BY customer`)
	c.products = column[string](t, s, `SELECT DISTINCT product FROM orders WHERE `+of+` ORDER BY product`)
	c.all = column[int](t, s, `SELECT id FROM orders WHERE `+of+` ORDER BY id`)
	c.open = column[int](t, s, `SELECT id FROM orders WHERE `+of+` AND status = 'open' ORDER BY customer, id`)
	return c
}

// column reads what a query lists for the customers of one split.
func column[T any](t *testing.T, s *shop, query string) (out []T) {
	t.Helper()
	rows, err := s.db.Query(query, lastTrain)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var x T
		if err := rows.Scan(&x); err != nil {
			t.Fatal(err)
		}
		out = append(out, x)
	}
	if err := rows.Err(); err != nil || len(out) == 0 {
		t.Fatalf("%s: %d rows, %v", query, len(out), err)
	}
	return out
}

// next takes the entities of a list in turn.
func next[T any](c *composer, list string, of []T) T {
	i := c.used[list]
	c.used[list]++
	return of[i%len(of)]
}

// say takes phrasings in turn.
func (c *composer) say(what string, phrasings ...string) string {
	return next(c, "say "+what, phrasings)
}

// must is for what the seed holds for sure.
func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}

// query is a request whose answer the user wants; the call that finds it out must be made.
func query(user, answer string, want *reply, made ...call) request {
	last := made[len(made)-1]
	return request{turn: turn{User: user, Gold: made, Reply: answer,
		Expect: &expect{Calls: &calls{Match: "any_order", Calls: []call{last}}, Reply: want}}, needs: names(made)}
}

// change is a request that something be changed. The last call must be made and no other that
// changes anything; reading is free. The shop must be as the call left it.
func change(user string, order int, left args, made ...call) request {
	last := made[len(made)-1]
	return request{turn: turn{User: user, Gold: made, Reply: "Done.",
		Expect: &expect{Calls: &calls{Match: "any_order", Calls: []call{last}},
			State: []state{{call{"get_order", args{"order": order}}, left}}}}, needs: names(made)}
}

func names(made []call) (out []string) {
	for _, c := range made {
		if !slices.Contains(out, c.Name) {
			out = append(out, c.Name)
		}
	}
	return out
}

func (c *composer) name(customer int) (name string) {
	if err := c.shop.db.QueryRow(`SELECT name FROM customers WHERE id = ?`, customer).Scan(&name); err != nil {
		panic(err)
	}
	return name
}

// newID is the number that the next order of a fresh shop gets.
func (c *composer) newID() (id int) {
	if err := c.shop.db.QueryRow(`SELECT seq + 1 FROM sqlite_sequence WHERE name = 'orders'`).Scan(&id); err != nil {
		panic(err)
	}
	return id
}

// The kinds of requests.

func (c *composer) status() request {
	id := next(c, "orders", c.all)
	is := must(c.shop.getOrder(id)).Status
	return query(c.say("status", "what is the status of order %d?", "tell me the status of order %d."), "The status is "+is+".",
		&reply{Contains: []string{is}}, call{"get_order", args{"order": id}}).put(id)
}

func (c *composer) address() request {
	id := next(c, "orders", c.all)
	is := must(c.shop.getOrder(id)).Address
	return query(c.say("where", "what is the address of order %d?", "look up the address of order %d."), "The address is "+is+".",
		&reply{Contains: []string{is}}, call{"get_order", args{"order": id}}).put(id)
}

func (c *composer) total() request {
	id := next(c, "orders", c.all)
	is := must(c.shop.orderTotal(id)).Total
	r := query(c.say("total", "what is the total price of order %d?", "tell me the total price of order %d."),
		fmt.Sprintf("The total price is %d.", is), &reply{Number: &number{is}}, call{"order_total", args{"order": id}}).put(id)
	r.bar = []string{"get_product"} // quantity times price is the total, too
	return r
}

func (c *composer) price() request {
	name := next(c, "products", c.products)
	is := must(c.shop.getProduct(name)).Price
	return query(fmt.Sprintf(c.say("price", "what is the price of the product %s?", "look up the price of the product %s."), name),
		fmt.Sprintf("The price is %d.", is), &reply{Number: &number{is}}, call{"get_product", args{"product": name}})
}

func (c *composer) stock() request {
	name := next(c, "products", c.products)
	is := must(c.shop.getProduct(name)).Stock
	return query(fmt.Sprintf(c.say("stock", "what is the stock of the product %s?", "tell me the stock of the product %s."), name),
		fmt.Sprintf("The stock is %d.", is), &reply{Number: &number{is}}, call{"get_product", args{"product": name}})
}

func (c *composer) customerNumber() request {
	id := next(c, "customers", c.customers)
	name := c.name(id)
	return query(fmt.Sprintf(c.say("customer", "what is the number of the customer %s?", "find the customer %s, i want the number."), name),
		fmt.Sprintf("The number is %d.", id), &reply{Number: &number{id}}, call{"find_customer", args{"name": name}})
}

func (c *composer) orders() request {
	id := next(c, "customers", c.customers)
	name := c.name(id)
	var have []string
	for _, l := range must(c.shop.listOrders(id)).Orders {
		have = append(have, fmt.Sprint(l.Order))
	}
	text := ""
	for i, n := range have {
		if i > 0 {
			text += ", "
		}
		text += n
	}
	return query(fmt.Sprintf(c.say("orders", "list the orders of the customer %s.", "which orders has the customer %s?"), name),
		"The orders are "+text+".", &reply{Contains: have},
		call{"find_customer", args{"name": name}}, call{"list_orders", args{"customer": id}})
}

func (c *composer) pieces() request {
	id := next(c, "open", c.open)
	is := must(c.shop.getOrder(id)).Quantity
	want := is%5 + 2 // another one, which every stock has
	r := change(fmt.Sprintf(c.say("pieces", "set the quantity of order %d to %d.", "change the quantity of order %d to %d."), id, want), id,
		args{"quantity": want, "status": isOpen}, call{"change_quantity", args{"order": id, "quantity": want}})
	r.bar = []string{"place_order", "cancel_order"}
	r.part, r.fill = fmt.Sprintf("set the quantity of order %d.", id), fmt.Sprintf("%d.", want)
	r.ask, r.about = "Which quantity?", "quantity|how many"
	return r
}

func (c *composer) move() request {
	id, to := next(c, "open", c.open), next(c, "places", c.places)
	r := change(fmt.Sprintf(c.say("move", "set the address of order %d to %s.", "change the address of order %d to %s."), id, to), id,
		args{"address": to, "status": isOpen}, call{"set_address", args{"order": id, "address": to}})
	r.part, r.fill = fmt.Sprintf("change the address of order %d.", id), to+"."
	r.ask, r.about = "Which address?", "address|where"
	return r
}

func (c *composer) cancel() request {
	id := next(c, "open", c.open)
	r := change(fmt.Sprintf(c.say("cancel", "cancel order %d.", "cancel the order %d."), id), id,
		args{"status": isCancelled}, call{"cancel_order", args{"order": id}})
	r.part, r.fill = "cancel an order.", fmt.Sprintf("%d.", id)
	r.ask, r.about = "Which order?", "order"
	return r
}

// place orders something for a customer, by number or by name.
func (c *composer) place(byName bool) request {
	customer, name, pieces := next(c, "customers", c.customers), next(c, "products", c.products), 1+c.used["say place"]%4
	id := c.newID()
	steps := []call{{"place_order", args{"customer": customer, "product": name, "quantity": pieces}}}
	who := fmt.Sprintf("customer %d", customer)
	if byName {
		who = "the customer " + c.name(customer)
		steps = append([]call{{"find_customer", args{"name": c.name(customer)}}}, steps...)
	}
	user := c.say("place", "place an order for %s with product %s and quantity %d.",
		"place a new order for %s with product %s and quantity %d.")
	r := change(fmt.Sprintf(user, who, name, pieces), id,
		args{"customer": customer, "product": name, "quantity": pieces, "status": isOpen}, steps...)
	r.part, r.fill = fmt.Sprintf("place an order for %s with product %s.", who, name), fmt.Sprintf("%d.", pieces)
	r.ask, r.about = "Which quantity?", "quantity|how many"
	return r
}

// priceOfOrdered needs the answer of one call for the next.
func (c *composer) priceOfOrdered() request {
	id := next(c, "orders", c.all)
	name := must(c.shop.getOrder(id)).Product
	is := must(c.shop.getProduct(name)).Price
	return query("what is the price of the product of order %d?", fmt.Sprintf("The price is %d.", is), &reply{Number: &number{is}},
		call{"get_order", args{"order": id}}, call{"get_product", args{"product": name}}).put(id)
}

// put fills the number of an order into a sentence.
func (r request) put(order int) request {
	r.User = fmt.Sprintf(r.User, order)
	return r
}
