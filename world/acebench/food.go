package acebench

import (
	"math/big"

	"ballast"
	"ballast/value"
	"ballast/world"
	"ballast/world/python"
)

// foodAPI is a FoodPlatform.
type foodAPI struct {
	base
	users    dict // name -> account
	loggedIn list
	orders   list
}

func account(id, password string, balance float64) *value.Dict {
	return value.NewDict("user_id", id, "password", password, "balance", balance)
}

var firstAccounts = func() *value.Dict {
	d := value.NewDict("Eve", account("U100", "password123", 500), "Frank", account("U101", "password456", 300),
		"Grace", account("U102", "password789", 150), "Helen", account("U103", "password321", 800),
		"Isaac", account("U104", "password654", 400), "Jack", account("U105", "password654", 120))
	d.Freeze()
	return d
}()

func menu(a string, x float64, b string, y float64) *value.List {
	return value.NewList(value.NewDict("product", a, "price", x), value.NewDict("product", b, "price", y))
}

// menus are the products of the merchants.
var menus = value.NewDict(
	"Domino's", menu("Margherita Pizza", 68, "Super Supreme Pizza", 88),
	"Rice Village Bibimbap", menu("Stone Pot Bibimbap", 35, "Korean Beef Bibimbap", 45),
	"Haidilao", menu("Beef Rolls", 68, "Seafood Platter", 88),
	"Heytea", menu("Cheese Milk Tea", 25, "Four Seasons Spring Milk Tea", 22),
	"Hema Fresh", menu("Organic Vegetable Pack", 15, "Fresh Gift Pack", 99),
	"Jiutian BBQ", menu("Korean Grilled Beef", 128, "Grilled Pork Belly", 78),
)

func newFood(c config) *foodAPI {
	s := &foodAPI{base: loadBase(c), users: dict{Dict: firstAccounts}, loggedIn: list{List: value.NewList()}}
	s.orders = list{List: value.NewList()}
	if users, ok := c.get("logged_in_users", nil).(*value.List); ok {
		s.loggedIn.List = users
	}
	return s
}

// Call runs one call.
func (s *foodAPI) Call(c ballast.Call) string { return answer(s, c) }

func (s *foodAPI) run(c ballast.Call) string { return foodClass.run(s, &s.core, c) }

// Copy returns a state that goes on from here.
func (s *foodAPI) Copy() world.State {
	c := *s
	c.users.owned, c.loggedIn.owned, c.orders.owned = false, false, false
	return &c
}

// Equal names the first attribute that differs.
func (s *foodAPI) Equal(o world.State) string { return differ(s.public(), o.(*foodAPI).public()) }

// Dump returns the attributes.
func (s *foodAPI) Dump() any { return value.NewDict(s.public()...) }

func (s *foodAPI) public() []any {
	return append(s.saved(), "wifi", s.wifi, "logged_in", s.base.loggedIn)
}

func (s *foodAPI) saved() []any {
	return []any{"users", s.users.Dict, "logged_in_users", s.loggedIn.List, "orders", s.orders.List}
}

var foodClass = newClass("FoodPlatform", inherited(
	method[*foodAPI]{name: "add_food_delivery_order", params: []string{"username", "merchant_name", "items"}, run: (*foodAPI).order},
	method[*foodAPI]{name: "check_balance", params: []string{"user_name"}, run: (*foodAPI).balance},
	method[*foodAPI]{name: "get_products", params: []string{"merchant_name"}, run: (*foodAPI).products},
	method[*foodAPI]{name: "login_food_platform", params: []string{"username", "password"}, run: (*foodAPI).login},
	method[*foodAPI]{name: "search_orders", params: []string{"keyword"}, run: (*foodAPI).search},
	method[*foodAPI]{name: "view_logged_in_users", run: (*foodAPI).whoIsIn},
	method[*foodAPI]{name: "view_orders", params: []string{"user_name"}, run: (*foodAPI).ordersOf},
)...)

var (
	foodNoWifi   = said(false, "Wi-Fi is not enabled, unable to login")
	foodNoUser   = said(false, "User does not exist")
	foodPassword = said(false, "Incorrect password")
	nobodyIsIn   = said(false, "No users are currently logged in to the food platform")
	noMerchant   = said(false, "Merchant does not exist")
	tooPoor      = said(false, "Insufficient balance to place the order")
	noOrders     = said(false, "User has no order records")
	noMatch      = said(false, "No matching orders found")
)

func (s *foodAPI) login(a []any) string {
	if off(s.wifi) {
		return foodNoWifi
	}
	user, ok := python.Lookup(s.users.Dict, a[0])
	switch {
	case !ok:
		return foodNoUser
	case !value.Equal(user.(*value.Dict).Member("password"), a[1]):
		return foodPassword
	case python.IndexOf(s.loggedIn.Items, a[0]) >= 0:
		return said(false, a[0], " is already logged in")
	}
	l := s.loggedIn.write()
	l.Items = append(l.Items, a[0])
	return said(true, "User ", a[0], " has successfully logged in!")
}

func (s *foodAPI) whoIsIn([]any) string {
	if len(s.loggedIn.Items) == 0 {
		return nobodyIsIn
	}
	return s.live(func() string { return told(value.NewDict("status", true, "logged_in_users", s.loggedIn.List)) })
}

func (s *foodAPI) balance(a []any) string {
	if user, ok := python.Lookup(s.users.Dict, a[0]); ok {
		return value.Repr(user.(*value.Dict).Member("balance"))
	}
	return "0.0"
}

func (s *foodAPI) products(a []any) string {
	if m, ok := python.Lookup(menus, a[0]); ok {
		return value.Repr(m)
	}
	return said(false, "Merchant '", a[0], "' does not exist")
}

// price finds a product of a menu.
func price(menu *value.List, product any) (float64, bool) {
	for _, p := range menu.Items {
		if d := p.(*value.Dict); value.Equal(d.Member("product"), product) {
			return d.Member("price").(float64), true
		}
	}
	return 0, false
}

// field is item.get(key, missing).
func field(item any, key string, missing any) any {
	d, ok := item.(*value.Dict)
	if !ok {
		python.Attribute(item, "get")
	}
	if v, ok := d.Get(key); ok {
		return v
	}
	return missing
}

// many reports whether a quantity is a whole number above 0.
func many(quantity any) bool {
	switch q := quantity.(type) {
	case bool:
		return q
	case int64:
		return q > 0
	case *big.Int:
		return q.Sign() > 0
	}
	return false
}

func (s *foodAPI) order(a []any) string {
	user, merchant := a[0], a[1]
	if python.IndexOf(s.loggedIn.Items, user) < 0 {
		return said(false, "User ", user, " is not logged in to the food platform")
	}
	m, ok := python.Lookup(menus, merchant)
	if !ok {
		return noMerchant
	}
	total := 0.0
	ordered := value.NewList()
	for _, item := range python.Iterate(a[2]) {
		product := field(item, "product", nil)
		quantity := field(item, "quantity", int64(1))
		if !many(quantity) {
			return said(false, "Invalid quantity ", quantity, " for product ", product)
		}
		each, ok := price(m.(*value.List), product)
		if !ok {
			return said(false, "Product ", product, " does not exist in ", merchant, "'s menu")
		}
		total += python.ToFloat(python.Mul(each, quantity))
		ordered.Items = append(ordered.Items, value.NewDict("product", product, "quantity", quantity, "price_per_unit", each))
	}
	balance := python.Item(python.Item(s.users.Dict, user), "balance").(float64)
	if total > balance {
		return tooPoor
	}
	users := s.users.write()
	v, _ := users.Get(user)
	changed := v.(*value.Dict).Copy()
	changed.Set("balance", balance-total)
	users.Set(user, changed)
	orders := s.orders.write()
	orders.Items = append(orders.Items, value.NewDict("user_name", user, "merchant_name", merchant, "items", ordered, "total_price", total))
	return said(true, "Food delivery order successfully placed with ", merchant, ". Total amount: ", total, " yuan")
}

func (s *foodAPI) ordersOf(a []any) string {
	found := value.NewList()
	for _, o := range s.orders.Items {
		if value.Equal(o.(*value.Dict).Member("user_name"), a[0]) {
			found.Items = append(found.Items, o)
		}
	}
	if len(found.Items) == 0 {
		return noOrders
	}
	return told(value.NewDict("status", true, "orders", found))
}

func (s *foodAPI) search(a []any) string {
	found := value.NewList()
	for _, v := range s.orders.Items {
		o := v.(*value.Dict)
		hit := within(a[0], o.Member("merchant_name"))
		for _, item := range o.Array("items") {
			hit = hit || within(a[0], item.(*value.Dict).Member("product"))
		}
		if hit {
			found.Items = append(found.Items, o)
		}
	}
	if len(found.Items) == 0 {
		return noMatch
	}
	return told(value.NewDict("status", true, "orders", found))
}
