package desk

import (
	"fmt"
	"slices"
	"strings"

	"ballast/value"
)

// shop is a small store with one customer: items with price and stock, a cart,
// money, a wish list. Configuration: item to price and stock, item to count.
//
//	{"items": {"red lamp": [12, 3]}, "cart": {"red lamp": 1}, "money": 90}
//
// What lies in the cart is still in stock until it is paid.
var shop = newAPI("shop", func() *shopState { return &shopState{} },
	fn[*shopState]{tool("price(item)", "price of an item"), with(anItem, (*shopState).price)},
	fn[*shopState]{tool("stock(item)", "how many of an item are left"), with(anItem, (*shopState).left)},
	fn[*shopState]{tool("cheapest(kind)", "cheapest item of a kind"), (*shopState).cheapest},
	fn[*shopState]{tool("add(item, count#)", "add an item to the cart"), with(anItem, (*shopState).add)},
	fn[*shopState]{tool("drop(item)", "drop an item from the cart"), remove(aLine)},
	fn[*shopState]{tool("cart()", "items in the cart"), (*shopState).list},
	fn[*shopState]{tool("pay()", "buy what is in the cart"), (*shopState).pay},
	fn[*shopState]{tool("fund(amount#)", "put money in the account"), (*shopState).fund},
	fn[*shopState]{tool("wish(item)", "put an item on the wish list"), with(anItem, (*shopState).wish)},
)

// maxMoney bounds amounts and counts so that no sum or product overflows.
const maxMoney = 1_000_000

type item struct {
	name         string
	price, stock int64
}

func (i item) key() string { return i.name }

type line struct {
	item  string
	count int64
}

func (l line) key() string { return l.item }

type shopState struct {
	items  table[item]
	basket table[line]
	bought table[line]
	wishes bag
	money  int64
}

// What the first argument of a call names.
var (
	anItem = set[*shopState, item]{"item", func(s *shopState) *table[item] { return &s.items }}
	aLine  = set[*shopState, line]{"item", func(s *shopState) *table[line] { return &s.basket }}
)

func (s *shopState) load(c *value.Dict) error {
	err := each(c, "items", func(name string, v any) error {
		l, ok := v.(*value.List)
		if !ok || len(l.Items) != 2 {
			return fmt.Errorf("want a list of price and stock")
		}
		price, err := integer(l.Items[0])
		if err != nil {
			return err
		}
		stock, err := integer(l.Items[1])
		if price < 0 || price > maxMoney || stock < 0 || stock > maxMoney {
			return fmt.Errorf("price or stock out of range")
		}
		s.items.add(item{name, price, stock})
		return err
	})
	if err != nil {
		return err
	}
	err = each(c, "cart", func(name string, v any) error {
		n, err := integer(v)
		if i, ok := s.items.at(name); !ok || n <= 0 || n > s.items[i].stock {
			return fmt.Errorf("is not in stock %d times", n)
		}
		s.basket.add(line{name, n})
		return err
	})
	if err != nil {
		return err
	}
	if v, ok := c.Get("money"); ok {
		if s.money, err = integer(v); err != nil || s.money < 0 || s.money > maxMoney {
			return fmt.Errorf("money is %v, want an integer from 0 to %d", v, maxMoney)
		}
	}
	return nil
}

func (s *shopState) twin() *shopState {
	return &shopState{items: slices.Clone(s.items), basket: slices.Clone(s.basket), bought: slices.Clone(s.bought),
		wishes: slices.Clone(s.wishes), money: s.money}
}

func (s *shopState) diff(o *shopState) string {
	switch {
	case !s.items.equal(o.items):
		return "items"
	case !s.basket.equal(o.basket):
		return "cart"
	case !s.bought.equal(o.bought):
		return "bought"
	case !slices.Equal(s.wishes, o.wishes):
		return "wishes"
	case s.money != o.money:
		return "money"
	}
	return ""
}

func (s *shopState) dump() *value.Dict {
	items, cart, bought, out := &value.Dict{}, &value.Dict{}, &value.Dict{}, &value.Dict{}
	for _, i := range s.items {
		items.Set(i.name, value.NewList(i.price, i.stock))
	}
	for _, l := range s.basket {
		cart.Set(l.item, l.count)
	}
	for _, l := range s.bought {
		bought.Set(l.item, l.count)
	}
	out.Set("items", items)
	out.Set("cart", cart)
	out.Set("money", s.money)
	out.Set("bought", bought)
	out.Set("wishes", list(s.wishes))
	return out
}

func (*shopState) price(i *item, _ args) string {
	return number(i.price)
}

func (*shopState) left(i *item, _ args) string {
	return number(i.stock)
}

// cheapest takes the last word of an item's name for its kind. Of two equally
// cheap items the first in the alphabet wins.
func (s *shopState) cheapest(a args) string {
	best := -1
	for i, e := range s.items {
		_, kind, _ := strings.Cut(e.name, " ")
		if kind == a[0].str && (best < 0 || e.price < s.items[best].price) {
			best = i
		}
	}
	if best < 0 {
		return missing("item of kind", a[0].str)
	}
	return s.items[best].name
}

// add puts more of an item into the cart, up to what is in stock.
func (s *shopState) add(i *item, a args) string {
	n := a[1].num
	j, in := s.basket.at(a[0].str)
	have := int64(0)
	if in {
		have = s.basket[j].count
	}
	// Compared by subtraction: n comes from the policy and may be huge.
	if n <= 0 || n > i.stock-have {
		return "error: " + number(i.stock-have) + " left"
	}
	if in {
		s.basket[j].count += n
	} else {
		s.basket.add(line{a[0].str, n})
	}
	return "ok"
}

func (s *shopState) list(args) string {
	lines := make([]string, len(s.basket))
	for i, l := range s.basket {
		lines[i] = number(l.count) + " " + l.item
	}
	return joined(lines)
}

// pay buys the cart and answers the sum.
func (s *shopState) pay(args) string {
	if len(s.basket) == 0 {
		return "error: the cart is empty"
	}
	sum := int64(0)
	for _, l := range s.basket {
		i, _ := s.items.at(l.item)
		sum += l.count * s.items[i].price
	}
	if sum > s.money {
		return "error: not enough money"
	}
	for _, l := range s.basket {
		i, _ := s.items.at(l.item)
		s.items[i].stock -= l.count
		if j, ok := s.bought.at(l.item); ok {
			s.bought[j].count += l.count
		} else {
			s.bought.add(l)
		}
	}
	s.money -= sum
	s.basket = nil
	return number(sum)
}

func (s *shopState) fund(a args) string {
	if a[0].num <= 0 || a[0].num > maxMoney-s.money {
		return "error: bad amount"
	}
	s.money += a[0].num
	return "ok"
}

func (s *shopState) wish(_ *item, a args) string {
	if s.wishes.has(a[0].str) {
		return "error: on the list already"
	}
	s.wishes.add(a[0].str)
	return "ok"
}
