package main

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// What calls hold. The tags document parameters: a model reads every word of them at every
// start, so there are few.
type (
	byName struct {
		Name string `json:"name" jsonschema:"the name"`
	}
	byCustomer struct {
		Customer int `json:"customer" jsonschema:"the number of the customer"`
	}
	byOrder struct {
		Order int `json:"order" jsonschema:"the order"`
	}
	byProduct struct {
		Product string `json:"product" jsonschema:"the product"`
	}
	newOrder struct {
		Customer int    `json:"customer" jsonschema:"the number of the customer"`
		Product  string `json:"product" jsonschema:"the product"`
		Quantity int    `json:"quantity" jsonschema:"how many"`
	}
	newQuantity struct {
		Order    int `json:"order" jsonschema:"the order"`
		Quantity int `json:"quantity" jsonschema:"the new quantity"`
	}
	newAddress struct {
		Order   int    `json:"order" jsonschema:"the order"`
		Address string `json:"address" jsonschema:"the new address"`
	}
)

// newServer offers a shop's tools.
func newServer(s *shop) *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "orders", Version: "1.0.0"}, nil)
	reads(server, "find_customer", "find a customer by name", func(in byName) (any, error) { return s.findCustomer(in.Name) })
	reads(server, "list_orders", "list the orders of a customer", func(in byCustomer) (any, error) { return s.listOrders(in.Customer) })
	reads(server, "get_order", "get the status, product and address of an order", func(in byOrder) (any, error) {
		return s.getOrder(in.Order)
	})
	reads(server, "order_total", "get the total price of an order", func(in byOrder) (any, error) { return s.orderTotal(in.Order) })
	reads(server, "get_product", "get the price and stock of a product", func(in byProduct) (any, error) { return s.getProduct(in.Product) })
	changes(server, "place_order", "place a new order for a customer", func(in newOrder) (any, error) {
		return s.placeOrder(in.Customer, in.Product, in.Quantity)
	})
	changes(server, "cancel_order", "cancel an order", func(in byOrder) (any, error) { return s.cancelOrder(in.Order) })
	changes(server, "change_quantity", "set the quantity of an order", func(in newQuantity) (any, error) {
		return s.changeQuantity(in.Order, in.Quantity)
	})
	changes(server, "set_address", "set the address of an order", func(in newAddress) (any, error) {
		return s.setAddress(in.Order, in.Address)
	})
	return server
}

// reads offers a tool that changes nothing.
func reads[In any](server *mcp.Server, name, doc string, do func(In) (any, error)) {
	add(server, &mcp.Tool{Name: name, Description: doc, Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true}}, do)
}

// changes offers a tool that changes the shop.
func changes[In any](server *mcp.Server, name, doc string, do func(In) (any, error)) {
	add(server, &mcp.Tool{Name: name, Description: doc, Annotations: &mcp.ToolAnnotations{}}, do)
}

// add offers a tool. An answer is one JSON object, an error of do is a tool error.
func add[In any](server *mcp.Server, tool *mcp.Tool, do func(In) (any, error)) {
	mcp.AddTool(server, tool, func(_ context.Context, _ *mcp.CallToolRequest, in In) (*mcp.CallToolResult, any, error) {
		out, err := do(in)
		return nil, out, err
	})
}
