package main

import (
	"database/sql"
	_ "embed"
	"errors"
	"fmt"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// seed makes the tables and fills them.
//
//go:embed seed.sql
var seed string

// What an order can be. Only one that is open can be changed.
const (
	isOpen      = "open"
	isShipped   = "shipped"
	isCancelled = "cancelled"
)

// shop is the database. Its methods may be called side by side: they take turns.
type shop struct{ db *sql.DB }

// What tools answer.
type (
	customer struct {
		Customer int    `json:"customer"`
		Address  string `json:"address"`
	}
	line struct {
		Order  int    `json:"order"`
		Status string `json:"status"`
	}
	orders struct {
		Orders []line `json:"orders"`
	}
	order struct {
		Customer int    `json:"customer"`
		Product  string `json:"product"`
		Quantity int    `json:"quantity"`
		Status   string `json:"status"`
		Address  string `json:"address"`
	}
	total struct {
		Total int `json:"total"`
	}
	product struct {
		Price int `json:"price"`
		Stock int `json:"stock"`
	}
	placed struct {
		Order int `json:"order"`
		Total int `json:"total"`
	}
	quantity struct {
		Order    int `json:"order"`
		Quantity int `json:"quantity"`
	}
	address struct {
		Order   int    `json:"order"`
		Address string `json:"address"`
	}
)

// openShop opens a database in memory with the seed. One connection holds it: a second one
// would have an empty database of its own, and to close the only one would lose everything.
// So no statement gets a context that could be cancelled.
func openShop() (*shop, error) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(seed); err != nil {
		return nil, errors.Join(fmt.Errorf("fill the database: %w", err), db.Close())
	}
	return &shop{db}, nil
}

// Close gives the database back.
func (s *shop) Close() error { return s.db.Close() }

// querier is the database, or a transaction in it.
type querier interface {
	QueryRow(query string, args ...any) *sql.Row
	Exec(query string, args ...any) (sql.Result, error)
}

// within does something as a whole or not at all.
func (s *shop) within(do func(tx querier) error) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// missing says what an absent row means.
func missing(err error, format string, args ...any) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf(format, args...)
	}
	return err
}

func (s *shop) findCustomer(name string) (c customer, err error) {
	err = s.db.QueryRow(`SELECT id, address FROM customers WHERE name = ?`, name).Scan(&c.Customer, &c.Address)
	return c, missing(err, "No customer has the name %s.", name)
}

// customerAddress is where a customer gets orders.
func customerAddress(q querier, id int) (at string, err error) {
	err = q.QueryRow(`SELECT address FROM customers WHERE id = ?`, id).Scan(&at)
	return at, missing(err, "There is no customer %d.", id)
}

func (s *shop) listOrders(customer int) (orders, error) {
	if _, err := customerAddress(s.db, customer); err != nil {
		return orders{}, err
	}
	rows, err := s.db.Query(`SELECT id, status FROM orders WHERE customer = ? ORDER BY id`, customer)
	if err != nil {
		return orders{}, err
	}
	defer rows.Close()
	all := orders{Orders: []line{}} // an empty list is no null
	for rows.Next() {
		var l line
		if err := rows.Scan(&l.Order, &l.Status); err != nil {
			return orders{}, err
		}
		all.Orders = append(all.Orders, l)
	}
	return all, rows.Err()
}

func (s *shop) getOrder(id int) (order, error) { return readOrder(s.db, id) }

func readOrder(q querier, id int) (o order, err error) {
	err = q.QueryRow(`SELECT customer, product, quantity, status, address FROM orders WHERE id = ?`, id).
		Scan(&o.Customer, &o.Product, &o.Quantity, &o.Status, &o.Address)
	return o, missing(err, "There is no order %d.", id)
}

func (s *shop) orderTotal(id int) (t total, err error) {
	err = s.db.QueryRow(`SELECT quantity * price FROM orders JOIN products ON product = name WHERE orders.id = ?`, id).Scan(&t.Total)
	return t, missing(err, "There is no order %d.", id)
}

func (s *shop) getProduct(name string) (product, error) { return readProduct(s.db, name) }

func readProduct(q querier, name string) (p product, err error) {
	err = q.QueryRow(`SELECT price, stock FROM products WHERE name = ?`, name).Scan(&p.Price, &p.Stock)
	return p, missing(err, "There is no product %s.", name)
}

// take takes pieces of a product out of its stock; a negative number puts them back.
func take(tx querier, name string, pieces int) error {
	p, err := readProduct(tx, name)
	if err != nil {
		return err
	}
	if pieces > p.Stock {
		return fmt.Errorf("Only %d of %s are in stock.", p.Stock, name)
	}
	_, err = tx.Exec(`UPDATE products SET stock = stock - ? WHERE name = ?`, pieces, name)
	return err
}

// positive refuses a quantity that is none.
func positive(pieces int) error {
	if pieces < 1 {
		return errors.New("The quantity must be 1 or more.")
	}
	return nil
}

func (s *shop) placeOrder(customer int, name string, pieces int) (p placed, err error) {
	if err := positive(pieces); err != nil {
		return p, err
	}
	err = s.within(func(tx querier) error {
		at, err := customerAddress(tx, customer)
		if err != nil {
			return err
		}
		about, err := readProduct(tx, name)
		if err != nil {
			return err
		}
		if err := take(tx, name, pieces); err != nil {
			return err
		}
		p.Total = pieces * about.Price
		return tx.QueryRow(`INSERT INTO orders (customer, product, quantity, status, address) VALUES (?, ?, ?, ?, ?) RETURNING id`,
			customer, name, pieces, isOpen, at).Scan(&p.Order)
	})
	return p, err
}

// openOrder is an order that can be changed.
func openOrder(tx querier, id int) (order, error) {
	o, err := readOrder(tx, id)
	if err == nil && o.Status != isOpen {
		err = fmt.Errorf("Order %d is %s and cannot be changed.", id, o.Status)
	}
	return o, err
}

func (s *shop) cancelOrder(id int) (line, error) {
	err := s.within(func(tx querier) error {
		o, err := openOrder(tx, id)
		if err != nil {
			return err
		}
		if err := take(tx, o.Product, -o.Quantity); err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE orders SET status = ? WHERE id = ?`, isCancelled, id)
		return err
	})
	return line{id, isCancelled}, err
}

func (s *shop) changeQuantity(id, pieces int) (quantity, error) {
	if err := positive(pieces); err != nil {
		return quantity{}, err
	}
	err := s.within(func(tx querier) error {
		o, err := openOrder(tx, id)
		if err != nil {
			return err
		}
		if err := take(tx, o.Product, pieces-o.Quantity); err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE orders SET quantity = ? WHERE id = ?`, pieces, id)
		return err
	})
	return quantity{id, pieces}, err
}

func (s *shop) setAddress(id int, at string) (address, error) {
	if at == "" {
		return address{}, errors.New("The address is empty.")
	}
	err := s.within(func(tx querier) error {
		if _, err := openOrder(tx, id); err != nil {
			return err
		}
		_, err := tx.Exec(`UPDATE orders SET address = ? WHERE id = ?`, at, id)
		return err
	})
	return address{id, at}, err
}
