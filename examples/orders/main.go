// Command orders is a small shop as an MCP server: customers, products, orders and stock in an SQLite
// database. It is the example of docs/own-tools.md, where a model is trained to use its tools.
//
// Contract: the server speaks MCP over its standard input and output. Every process has a
// database of its own, in memory, that starts with what seed.sql holds, so the same calls get
// the same answers. Tools that change nothing say so (readOnlyHint).
//
// How it fails: a call that cannot be done answers with a tool error of one sentence, and
// changes nothing. A database that cannot be opened ends the process with status 1 before the
// first message.
//
// It is a module of its own, since the compilation of SQLite takes longer than that of all of
// ballast's tests may: who builds ballast does not build it. README.md has the figures.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "orders:", err)
		os.Exit(1)
	}
}

// run serves until the client closes the standard input.
func run(ctx context.Context) error {
	shop, err := openShop()
	if err != nil {
		return err
	}
	defer shop.Close()
	return newServer(shop).Run(ctx, &mcp.StdioTransport{})
}
