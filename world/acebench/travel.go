package acebench

import (
	"ballast"
	"ballast/value"
	"ballast/world"
	"ballast/world/python"
)

// travelAPI is a Travel, whose configuration is ignored.
type travelAPI struct {
	core
	users        dict // id -> user
	flights      list
	reservations list
}

func traveller(name, password string, cash, bank float64, level string) *value.Dict {
	return value.NewDict("user_name", name, "password", password, "cash_balance", cash, "bank_balance", bank, "membership_level", level)
}

func flight(number, from, to, depart, arrive string, seats, economy, business int64) *value.Dict {
	return value.NewDict("flight_no", number, "origin", from, "destination", to, "depart_time", depart, "arrival_time", arrive,
		"status", "available", "seats_available", seats, "economy_price", economy, "business_price", business)
}

func reservation(id, user, number, method, cabin string, baggage any) *value.Dict {
	return value.NewDict("reservation_id", id, "user_id", user, "flight_no", number, "payment_method", method, "cabin", cabin,
		"baggage", baggage)
}

func between(r *value.Dict, from, to string) *value.Dict {
	r.Set("origin", from)
	r.Set("destination", to)
	return r
}

const economy, business = "Economy Class", "Business Class"

var (
	firstTravellers = func() *value.Dict {
		d := value.NewDict("user1", traveller("Eve", "password123", 2000, 50000, "regular"),
			"user2", traveller("Frank", "password456", 8000, 8000, "silver"), "user3", traveller("Grace", "password789", 1000, 5000, "gold"))
		d.Freeze()
		return d
	}()
	firstFlights = value.NewList(
		flight("CA1234", "Beijing", "Shanghai", "2024-07-15 08:00:00", "2024-07-15 10:30:00", 5, 1200, 3000),
		flight("MU5678", "Shanghai", "Beijing", "2024-07-16 09:00:00", "2024-07-16 11:30:00", 3, 1900, 3000),
		flight("CZ4321", "Shanghai", "Beijing", "2024-07-16 20:00:00", "2024-07-16 22:00:00", 8, 2500, 4000),
		flight("CZ4352", "Shanghai", "Beijing", "2024-07-17 20:00:00", "2024-07-17 22:00:00", 8, 1600, 2500),
		flight("MU3561", "Beijing", "Nanjing", "2024-07-18 08:00:00", "2024-07-18 10:00:00", 8, 1500, 4000),
		flight("MU1566", "Beijing", "Nanjing", "2024-07-18 20:00:00", "2024-07-18 22:00:00", 8, 1500, 4000),
		flight("CZ1765", "Nanjing", "Shenzhen", "2024-07-17 20:30:00", "2024-07-17 22:00:00", 8, 1500, 2500),
		flight("CZ1765", "Nanjing", "Shenzhen", "2024-07-18 12:30:00", "2024-07-18 15:00:00", 8, 1500, 2500),
		flight("MH1765", "Xiamen", "Chengdu", "2024-07-17 12:30:00", "2024-07-17 15:00:00", 8, 1500, 2500),
		flight("MH2616", "Chengdu", "Xiamen", "2024-07-18 18:30:00", "2024-07-18 21:00:00", 8, 1500, 2500),
		flight("MH2616", "Chengdu", "Fuzhou", "2024-07-16 18:30:00", "2024-07-16 21:00:00", 8, 1500, 2500),
	)
	firstReservations = value.NewList(
		between(reservation("res_1", "user1", "CA1234", "bank", economy, int64(1)), "Beijing", "Shanghai"),
		between(reservation("res_2", "user1", "MU5678", "bank", business, int64(1)), "Shanghai", "Beijing"),
		between(reservation("res_3", "user2", "MH1765", "bank", business, int64(1)), "Xiamen", "Chengdu"),
		between(reservation("res_4", "user2", "MU2616", "bank", business, int64(1)), "Chengdu", "Xiamen"),
	)
	// freeBags are the bags that cost nothing, by membership and cabin.
	freeBags = value.NewDict("regular", value.NewDict(economy, int64(1), business, int64(2)),
		"silver", value.NewDict(economy, int64(2), business, int64(3)), "gold", value.NewDict(economy, int64(3), business, int64(3)))
)

func newTravel(config) *travelAPI {
	return &travelAPI{users: dict{Dict: firstTravellers}, flights: list{List: firstFlights}, reservations: list{List: firstReservations}}
}

// Call runs one call.
func (s *travelAPI) Call(c ballast.Call) string { return answer(s, c) }

func (s *travelAPI) run(c ballast.Call) string { return travelClass.run(s, &s.core, c) }

// Copy returns a state that goes on from here.
func (s *travelAPI) Copy() world.State {
	c := *s
	c.users.owned, c.flights.owned, c.reservations.owned = false, false, false
	return &c
}

// Equal names the first attribute that differs.
func (s *travelAPI) Equal(o world.State) string { return differ(s.public(), o.(*travelAPI).public()) }

// Dump returns the attributes; of the flights the seats are left, which alone change.
func (s *travelAPI) Dump() any { return value.NewDict(s.public()...) }

func (s *travelAPI) public() []any {
	seats := value.MakeList(len(s.flights.Items))
	for _, f := range s.flights.Items {
		seats.Items = append(seats.Items, f.(*value.Dict).Member("seats_available"))
	}
	return append(s.saved(), "flights", seats)
}

func (s *travelAPI) saved() []any {
	return []any{"users", s.users.Dict, "reservations", s.reservations.List}
}

var travelClass = newClass("Travel",
	method[*travelAPI]{name: "authenticate_user", params: []string{"user_id", "password"}, run: (*travelAPI).authenticate},
	method[*travelAPI]{name: "calculate_baggage_fee", params: []string{"membership_level", "cabin_class", "baggage_count"},
		run: func(s *travelAPI, a []any) string { return value.Repr(baggageFee(a[0], a[1], a[2])) }},
	method[*travelAPI]{name: "calculate_price_difference", params: []string{"flight", "old_cabin", "new_cabin"}, run: (*travelAPI).itemOfText},
	method[*travelAPI]{name: "cancel_reservation", params: []string{"user_id", "reservation_id", "reason"}, run: (*travelAPI).cancel},
	method[*travelAPI]{name: "find_transfer_flights", params: []string{"origin_city", "transfer_city", "destination_city"},
		run: (*travelAPI).transfers},
	method[*travelAPI]{name: "get_baggage_allowance", params: []string{"membership_level", "cabin_class"},
		run: func(s *travelAPI, a []any) string { return value.Repr(allowance(a[0], a[1])) }},
	method[*travelAPI]{name: "get_flight_details", params: []string{"origin", "destination"}, defaults: []any{nil, nil},
		run: (*travelAPI).flightDetails},
	method[*travelAPI]{name: "get_reservation_details", params: []string{"reservation_id", "user_id"}, defaults: []any{nil, nil},
		run: (*travelAPI).reservationDetails},
	method[*travelAPI]{name: "get_user_details", params: []string{"user_id", "password"}, run: (*travelAPI).userDetails},
	method[*travelAPI]{name: "modify_flight",
		params:   []string{"user_id", "reservation_id", "new_flight_no", "new_cabin", "add_baggage", "new_payment_method"},
		defaults: []any{nil, nil, int64(0), nil}, run: (*travelAPI).modify},
	method[*travelAPI]{name: "process_refund", params: []string{"user", "amount"}, run: (*travelAPI).itemOfText},
	method[*travelAPI]{name: "reserve_flight",
		params: []string{"user_id", "password", "flight_no", "cabin", "payment_method", "baggage_count"}, run: (*travelAPI).reserve},
	method[*travelAPI]{name: "update_balance", params: []string{"user", "payment_method", "amount"}, run: (*travelAPI).updateBalance},
)

const (
	noFlights   = "There are no direct flights that meet the criteria."
	noTransfers = "No connecting flights that meet the criteria were found."
)

var (
	badPassword = wrong("Incorrect username or password.")
	noIDs       = wrong("Please provide a valid reservation ID or user ID")
)

// user finds the user of that id and password, or returns nil.
func (s *travelAPI) user(id, password any) *value.Dict {
	v, ok := python.Lookup(s.users.Dict, id)
	if !ok || !value.Equal(v.(*value.Dict).Member("password"), password) {
		return nil
	}
	return v.(*value.Dict)
}

func (s *travelAPI) authenticate(a []any) string {
	id := a[0]
	if s.user(id, a[1]) == nil {
		return badPassword
	}
	return s.live(func() string {
		u, _ := s.users.Get(id)
		return told(u.(*value.Dict))
	})
}

func (s *travelAPI) userDetails(a []any) string {
	u := s.user(a[0], a[1])
	if u == nil {
		return badPassword
	}
	u = u.Copy()
	u.Delete("password")
	return told(u)
}

// first finds the first flight of that number: its place, or -1.
func (s *travelAPI) first(number any) int {
	for i, f := range s.flights.Items {
		if value.Equal(f.(*value.Dict).Member("flight_no"), number) {
			return i
		}
	}
	return -1
}

// flightNo is the first flight of that number, or None.
func (s *travelAPI) flightNo(number any) any {
	if i := s.first(number); i >= 0 {
		return s.flights.Items[i]
	}
	return nil
}

func (s *travelAPI) flight(i int) *value.Dict { return s.flights.Items[i].(*value.Dict) }

// legs are the places of the flights between two cities.
func (s *travelAPI) legs(from, to any, anyFrom, anyTo bool) (found []int) {
	for i := range s.flights.Items {
		f := s.flight(i)
		if (anyFrom || value.Equal(f.Member("origin"), from)) && (anyTo || value.Equal(f.Member("destination"), to)) {
			found = append(found, i)
		}
	}
	return found
}

func (s *travelAPI) flightDetails(a []any) string {
	found := s.legs(a[0], a[1], !value.Truth(a[0]), !value.Truth(a[1]))
	if len(found) == 0 {
		return noFlights
	}
	l := value.MakeList(len(found))
	for _, i := range found {
		l.Items = append(l.Items, s.flight(i))
	}
	return value.Repr(l)
}

func (s *travelAPI) transfers(a []any) string {
	var found [][2]int
	for _, first := range s.legs(a[0], a[1], false, false) {
		for _, second := range s.legs(a[1], a[2], false, false) {
			if s.flight(first).Text("arrival_time") < s.flight(second).Text("depart_time") {
				found = append(found, [2]int{first, second})
			}
		}
	}
	if len(found) == 0 {
		return noTransfers
	}
	return s.live(func() string {
		l := value.MakeList(len(found))
		for _, legs := range found {
			l.Items = append(l.Items, value.NewDict("first_leg", s.flight(legs[0]), "second_leg", s.flight(legs[1])))
		}
		return value.Repr(l)
	})
}

func (s *travelAPI) reservationDetails(a []any) string {
	key, want := "reservation_id", a[0]
	if !value.Truth(want) {
		if key, want = "user_id", a[1]; !value.Truth(want) {
			return noIDs
		}
	}
	var found []*value.Dict
	for _, v := range s.reservations.Items {
		if r := v.(*value.Dict); value.Equal(r.Member(key), want) {
			found = append(found, r.CopyMore())
		}
	}
	return s.live(func() string {
		l := value.MakeList(len(found))
		for _, r := range found {
			r.Set("flight_info", s.flightNo(r.Member("flight_no")))
			l.Items = append(l.Items, r)
		}
		return value.Repr(l)
	})
}

// allowance is how many bags cost nothing; 0 where that is not known.
func allowance(level, cabin any) any {
	cabins, ok := python.Lookup(freeBags, level)
	if !ok {
		cabins = &value.Dict{}
	}
	if n, ok := python.Lookup(cabins.(*value.Dict), cabin); ok {
		return n
	}
	return int64(0)
}

// baggageFee is what the bags cost. It raises where the allowance is not known.
func baggageFee(level, cabin, bags any) any {
	free := python.Item(python.Item(freeBags, level), cabin)
	more := python.Sub("-", bags, free)
	if python.Greater(int64(0), more) { // max(more, 0): of 0.0 and 0 the first counts
		more = int64(0)
	}
	return python.Mul(more, int64(50))
}

// atLeastZero is max(0, v).
func atLeastZero(v any) any {
	if python.Greater(v, int64(0)) {
		return v
	}
	return int64(0)
}

// itemOfText is what becomes of the methods that take an object, which never arrives: a dict as an
// argument is written as a call.
func (s *travelAPI) itemOfText(a []any) string {
	item(a[0], "")
	return ""
}

// item is v[key]; CPython 3.10 does not tell which index a text was given.
func item(v any, key string) any {
	if _, text := v.(string); text {
		python.Raise(python.TypeError, "string indices must be integers")
	}
	return python.Item(v, key)
}

func (s *travelAPI) updateBalance(a []any) string {
	if value.Equal(a[1], "cash") || value.Equal(a[1], "bank") {
		return s.itemOfText(a)
	}
	return "True"
}
