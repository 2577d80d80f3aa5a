package acebench

import (
	"strconv"
	"strings"

	"ballast/value"
	"ballast/world/python"
)

// balances are where a payment method takes the money from.
var balances = map[string]string{"cash": "cash_balance", "bank": "bank_balance"}

// fare is the price of a seat; every cabin that is not the economy class is the other one.
func fare(flight, cabin any) any {
	if value.Equal(cabin, economy) {
		return item(flight, "economy_price")
	}
	return item(flight, "business_price")
}

// pay takes the amount from a balance of a user, or gives it where it is below 0. It reports
// whether that was enough; a method that nobody knows is, and takes nothing.
func (s *travelAPI) pay(id any, method string, amount any) bool {
	key, ok := balances[method]
	if !ok {
		return true
	}
	v, _ := s.users.Get(id)
	user := v.(*value.Dict)
	balance := user.Member(key)
	if python.Greater(amount, balance) {
		return false
	}
	user = user.Copy()
	user.Set(key, python.Sub("-=", balance, amount))
	s.users.write().Set(id, user)
	return true
}

func text(v any) string { s, _ := v.(string); return s }

func (s *travelAPI) reserve(a []any) string {
	id, number, cabin, method, bags := a[0], a[2], a[3], text(a[4]), a[5]
	user := s.user(id, a[1])
	if user == nil { // the error that is found instead has no membership
		user = value.NewDict("status", "error", "message", "Incorrect username or password.")
	}
	at := s.first(number)
	cost := python.Add("+", fare(s.flightNo(number), cabin), baggageFee(python.Item(user, "membership_level"), cabin, bags))
	switch {
	case balances[method] == "":
		return "Invalid payment method"
	case !s.pay(id, method, cost):
		return "Your " + method + " balance is insufficient. Please consider using another payment method."
	}
	f := s.flights.entry(at)
	f.Set("seats_available", python.Sub("-=", f.Member("seats_available"), int64(1)))
	res := "res_" + strconv.Itoa(len(s.reservations.Items)+1)
	l := s.reservations.write()
	l.Items = append(l.Items, value.NewDict("reservation_id", res, "user_id", id, "flight_no", number, "payment_method", method,
		"cabin", cabin, "baggage", bags))
	return string(str(nil, "Booking successful. Reservation ID: ", res, ". Total cost: ", cost, " yuan (including baggage fees)."))
}

// reserved finds a reservation of a user: its place, or -1.
func (s *travelAPI) reserved(user, id any) int {
	for i, v := range s.reservations.Items {
		r := v.(*value.Dict)
		if value.Equal(r.Member("reservation_id"), id) && value.Equal(r.Member("user_id"), user) {
			return i
		}
	}
	return -1
}

func (s *travelAPI) modify(a []any) string {
	at := s.reserved(a[0], a[1])
	if at < 0 {
		return "Reservation not found or user ID does not match."
	}
	old, _ := s.flightNo(s.reservations.Items[at].(*value.Dict).Member("flight_no")).(*value.Dict)
	if old == nil {
		return "Flight information not found."
	}
	c := &change{travelAPI: s, at: at, user: a[0], flight: old}
	if c.method = text(c.get("payment_method")); value.Truth(a[5]) {
		c.method = text(a[5])
	}
	if value.Truth(a[2]) && !value.Equal(a[2], c.get("flight_no")) && !c.number(a[2]) {
		return "Flight change failed: Invalid new flight number or destination does not match."
	}
	if value.Truth(a[3]) && !value.Equal(a[3], c.get("cabin")) {
		c.cabin(a[3])
	}
	if python.Greater(a[4], int64(0)) {
		c.bags(a[4])
	}
	if len(c.said) == 0 {
		return "Modification completed with no additional fees."
	}
	return strings.Join(c.said, " ")
}

// change is a reservation that is being modified.
type change struct {
	*travelAPI
	at     int // its place
	user   any
	flight *value.Dict // the one it was made for
	method string
	said   []string
}

func (c *change) get(key string) any { return c.reservations.Items[c.at].(*value.Dict).Member(key) }

func (c *change) set(key string, v any) { c.reservations.entry(c.at).Set(key, v) }

func (c *change) say(parts ...any) { c.said = append(c.said, string(str(nil, parts...))) }

// number changes the flight to another one between the same cities, at no charge.
func (c *change) number(number any) bool {
	for _, v := range c.flights.Items {
		f := v.(*value.Dict)
		if value.Equal(f.Member("flight_no"), number) && value.Equal(f.Member("origin"), c.flight.Member("origin")) &&
			value.Equal(f.Member("destination"), c.flight.Member("destination")) {
			c.set("flight_no", own(number))
			c.say("Flight number has been changed.")
			return true
		}
	}
	return false
}

// cabin changes the cabin, whether or not the difference can be paid.
func (c *change) cabin(cabin any) {
	price := func(cabin any) any {
		if !value.Equal(cabin, economy) && !value.Equal(cabin, business) {
			return int64(0)
		}
		return fare(c.flight, cabin)
	}
	difference := python.Sub("-", price(cabin), price(c.get("cabin")))
	switch {
	case python.Greater(difference, int64(0)):
		if c.pay(c.user, c.method, difference) {
			c.say("Cabin change successful. Price difference paid: ", difference, ".")
		} else {
			c.say("Insufficient balance to pay the cabin price difference.")
		}
	case python.Less(difference, int64(0)):
		c.pay(c.user, c.method, difference)
		c.say("Cabin change successful. Price difference refunded: ", python.Sub("-", int64(0), difference), ".")
	}
	c.set("cabin", own(cabin))
}

// bags adds bags, whether or not they can be paid. All bags above the allowance cost, also those paid before.
func (c *change) bags(more any) {
	user, _ := c.users.Get(c.user)
	total := python.Add("+", c.get("baggage"), more)
	extra := atLeastZero(python.Sub("-", total, allowance(user.(*value.Dict).Member("membership_level"), c.get("cabin"))))
	if cost := python.Mul(extra, int64(50)); python.Greater(cost, int64(0)) {
		if c.pay(c.user, c.method, cost) {
			c.say("Baggage has been added. Additional fee to be paid: ", cost, ".")
		} else {
			c.say("Insufficient balance to pay the additional baggage fees.")
		}
	}
	c.set("baggage", total)
}

func (s *travelAPI) cancel(a []any) string {
	if _, ok := python.Lookup(s.users.Dict, a[0]); !ok {
		return "Invalid user ID."
	}
	at := s.reserved(a[0], a[1])
	if at < 0 {
		return "Invalid reservation ID or it does not belong to the user."
	}
	r := s.reservations.Items[at].(*value.Dict)
	f := s.flightNo(r.Member("flight_no"))
	if f == nil {
		return "Invalid flight information."
	}
	// Every flight leaves more than a day after the clock of the original, which stands still: nothing else is ever refunded.
	refund := fare(f, r.Member("cabin"))
	s.pay(a[0], "cash", python.Sub("-", int64(0), refund))
	if value.Equal(a[2], "The airline has canceled the flight.") {
		return string(str(nil, "The flight has been canceled. Your reservation will be canceled free of charge, and ", refund,
			" yuan has been refunded."))
	}
	return string(str(nil, "More than 24 hours before departure. Free cancellation successful, ", refund, " yuan has been refunded."))
}
