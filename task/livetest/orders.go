package livetest

import (
	"fmt"

	"ballast/value"
)

// Orders is a shop with customers and orders that answers in JSON.
func Orders() *World {
	w := &World{New: func() func(string, *value.Dict) string { return newShop().answer }}
	w.List = append(w.List,
		tool("list_orders", "List the orders, newest last.", `"status": {"type": "string", "enum": ["open", "paid", "shipped", "cancelled"], "description": "Only orders with this status."}`, true),
		tool("get_order", "Get one order.", `"order_id": {"type": "integer", "description": "The order's id."}`, true, "order_id"),
		tool("list_customers", "List all customers.", ``, true),
		tool("get_customer", "Look up a customer.", `"customer_id": {"type": "string", "description": "Id of the customer."}`, true, "customer_id"),
		tool("cancel_order", "Cancel an order that was not shipped yet.", `"order_id": {"type": "integer"}, "reason": {"type": "string", "description": "Why it is cancelled."}`, false, "order_id"),
		tool("set_note", "Write a note on an order.", `"order_id": {"type": "integer"}, "note": {"type": "string", "description": "The text of the note."}`, false, "order_id", "note"),
		tool("create_order", "Create an order for a customer.", `"customer_id": {"type": "string"}, "product": {"type": "string", "enum": ["lamp", "desk", "chair"]}, "quantity": {"type": "integer", "minimum": 1, "maximum": 20}`, false, "customer_id", "product", "quantity"))
	return w
}

// shop is the state of a session of Orders.
type shop struct{ orders, customers []*value.Dict }

func newShop() *shop {
	s := &shop{}
	for i, name := range []string{"Ada", "Bo", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hal", "Ida", "Jon", "Kim", "Lea"} {
		s.customers = append(s.customers, value.NewDict("id", fmt.Sprintf("c-%02d", 11+i*7), "name", name,
			"city", []string{"Oslo", "Rome", "Lima", "Bonn", "Cork"}[i%5], "points", int64(13*i*i%97)))
	}
	for i := range 24 {
		id, _ := s.customers[(i*5)%12].GetString("id")
		s.orders = append(s.orders, value.NewDict("id", int64(101+i*3), "customer_id", id, "product", []string{"lamp", "desk", "chair"}[i%3],
			"quantity", int64(1+i*i%11), "total", float64(10*i+5)+0.5, "status", []string{"open", "paid", "open", "shipped"}[i%4]))
	}
	return s
}

func find(list []*value.Dict, key any) *value.Dict {
	for _, d := range list {
		if id, _ := d.GetString("id"); value.Equal(id, key) {
			return d
		}
	}
	return nil
}

func (s *shop) answer(name string, args *value.Dict) string {
	id, _ := args.GetString("order_id")
	order := find(s.orders, id)
	who, _ := args.GetString("customer_id")
	customer := find(s.customers, who)
	switch name {
	case "list_orders":
		l := &value.List{}
		want, filter := args.GetString("status")
		for _, o := range s.orders {
			if status, _ := o.GetString("status"); !filter || status == want {
				l.Items = append(l.Items, o)
			}
		}
		return show(value.NewDict("orders", l))
	case "list_customers":
		l := &value.List{}
		for _, c := range s.customers {
			l.Items = append(l.Items, c)
		}
		return show(value.NewDict("customers", l))
	case "get_customer":
		if customer == nil {
			return "Error: there is no customer " + fmt.Sprint(who)
		}
		return show(customer)
	case "create_order":
		if customer == nil {
			return "Error: there is no customer " + fmt.Sprint(who)
		}
		product, _ := args.GetString("product")
		quantity, _ := args.GetString("quantity")
		o := value.NewDict("id", int64(101+3*len(s.orders)), "customer_id", who, "product", product, "quantity", quantity,
			"total", int64(0), "status", "open")
		s.orders = append(s.orders, o)
		return show(o)
	}
	if order == nil {
		return "Error: there is no order " + fmt.Sprint(id)
	}
	switch name {
	case "cancel_order":
		if status, _ := order.GetString("status"); status == "shipped" {
			return "Error: the order was shipped"
		}
		order.Set("status", "cancelled")
		if reason := text(args, "reason"); reason != "" {
			order.Set("reason", reason)
		}
		return show(value.NewDict("ok", true))
	case "set_note":
		order.Set("note", text(args, "note"))
		return show(value.NewDict("ok", true))
	}
	return show(order)
}
