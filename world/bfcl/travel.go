package bfcl

import (
	"strconv"
	"strings"
	"time"

	"ballast"
	"ballast/value"
	"ballast/world"
	"ballast/world/python"
)

// travelAPI is a TravelAPI.
type travelAPI struct {
	core
	random              random
	cards               shared // id -> dict
	bookings            shared // id -> dict
	token, tokenType    any
	expiresIn, scope    any
	firstName, lastName any
	budget              any
	long                bool
}

// travelFields are the attributes of a travelAPI.
var travelFields = fields[*travelAPI]{
	{"credit_card_list", func(s *travelAPI) *any { return &s.cards.v }, emptyDict},
	{"booking_record", func(s *travelAPI) *any { return &s.bookings.v }, emptyDict},
	{"access_token", func(s *travelAPI) *any { return &s.token }, nil},
	{"token_type", func(s *travelAPI) *any { return &s.tokenType }, nil},
	{"token_expires_in", func(s *travelAPI) *any { return &s.expiresIn }, nil},
	{"token_scope", func(s *travelAPI) *any { return &s.scope }, nil},
	{"user_first_name", func(s *travelAPI) *any { return &s.firstName }, nil},
	{"user_last_name", func(s *travelAPI) *any { return &s.lastName }, nil},
	{"budget_limit", func(s *travelAPI) *any { return &s.budget }, nil},
}

func newTravel(d *value.Dict, long bool) *travelAPI {
	c := config{d}
	s := &travelAPI{random: newRandom(c.lookup("random_seed", int64(travelSeed))), long: long}
	travelFields.load(s, c)
	if long {
		s.cards.merge(constants().creditCards)
		s.bookings.merge(constants().bookings)
	}
	return s
}

// merge adds what the dict lacks.
func (s *shared) merge(more *value.Dict) {
	d := value.MakeDict(s.dict("items").Len() + more.Len())
	d.Merge(s.dict("items"))
	d.Merge(more)
	s.v, s.owned = d, true
}

// Call runs one call.
func (s *travelAPI) Call(c ballast.Call) string { return travelClass.call(s, &s.core, c) }

// Copy returns a state that goes on from here.
func (s *travelAPI) Copy() world.State {
	c := *s
	disown(&c.core, &c.random, &c.cards, &c.bookings)
	return &c
}

// Equal names the first attribute that differs.
func (s *travelAPI) Equal(other world.State) string {
	o := other.(*travelAPI)
	return travelFields.differ(s, o, s.long != o.long)
}

// Dump returns the public attributes.
func (s *travelAPI) Dump() any { return dump(s) }

func (s *travelAPI) public() []any { return travelFields.list(s, "long_context", s.long) }

// travelClass is the table of TravelAPI.
var travelClass = newClass("TravelAPI",
	method[*travelAPI]{name: "authenticate_travel", params: []string{"client_id", "client_secret", "refresh_token", "grant_type",
		"user_first_name", "user_last_name"}, run: (*travelAPI).authenticate},
	method[*travelAPI]{name: "book_flight", params: []string{"access_token", "card_id", "travel_date", "travel_from", "travel_to",
		"travel_class"}, run: (*travelAPI).book},
	method[*travelAPI]{name: "cancel_booking", params: []string{"access_token", "booking_id"}, run: (*travelAPI).cancel},
	method[*travelAPI]{name: "compute_exchange_rate", params: []string{"base_currency", "target_currency", "value"},
		run: (*travelAPI).exchange},
	method[*travelAPI]{name: "contact_customer_support", params: []string{"booking_id", "message"}, run: (*travelAPI).support},
	method[*travelAPI]{name: "get_all_credit_cards", run: (*travelAPI).allCards},
	method[*travelAPI]{name: "get_booking_history", params: []string{"access_token"}, run: (*travelAPI).history},
	method[*travelAPI]{name: "get_budget_fiscal_year", params: []string{"lastModifiedAfter", "includeRemoved"}, defaults: []any{nil, nil},
		run: (*travelAPI).fiscalYear},
	method[*travelAPI]{name: "get_credit_card_balance", params: []string{"access_token", "card_id"}, run: (*travelAPI).balance},
	method[*travelAPI]{name: "get_flight_cost", params: []string{"travel_from", "travel_to", "travel_date", "travel_class"},
		run: (*travelAPI).flightCost},
	method[*travelAPI]{name: "get_nearest_airport_by_city", params: []string{"location"}, run: (*travelAPI).nearestAirport},
	method[*travelAPI]{name: "list_all_airports", run: (*travelAPI).airports},
	method[*travelAPI]{name: "purchase_insurance", params: []string{"access_token", "insurance_type", "booking_id", "insurance_cost",
		"card_id"}, run: (*travelAPI).insure},
	method[*travelAPI]{name: "register_credit_card", params: []string{"access_token", "card_number", "expiration_date", "cardholder_name",
		"card_verification_number"}, run: (*travelAPI).register},
	method[*travelAPI]{name: "retrieve_invoice", params: []string{"access_token", "booking_id", "insurance_id"},
		defaults: []any{nil, nil}, run: (*travelAPI).invoice},
	method[*travelAPI]{name: "set_budget_limit", params: []string{"access_token", "budget_limit"}, run: (*travelAPI).setBudget},
	method[*travelAPI]{name: "travel_get_login_status", run: (*travelAPI).loginStatus},
	method[*travelAPI]{name: "verify_traveler_information",
		params: []string{"first_name", "last_name", "date_of_birth", "passport_number"}, run: (*travelAPI).verify},
)

// number draws an id as text.
func (s *travelAPI) number(low, high int64) any {
	var b [20]byte
	return value.Text(strconv.AppendInt(b[:0], s.random.between(low, high), 10))
}

func (s *travelAPI) authenticate(a []any) string {
	s.expiresIn = int64(2)
	s.token = s.number(100000, 999999)
	s.tokenType = "Bearer"
	s.scope, s.firstName, s.lastName = own(a[3]), own(a[4]), own(a[5])
	return s.dict("expires_in", s.expiresIn, "access_token", s.token, "token_type", s.tokenType, "scope", s.scope)
}

// expired is token_expires_in == 0.
func (s *travelAPI) expired() bool { return value.Equal(s.expiresIn, int64(0)) }

// refused says why a token does not serve, or "".
func (s *travelAPI) refused(token any) any {
	switch {
	case s.expired():
		return "Token expired"
	case !value.Equal(token, s.token):
		return "Invalid access token"
	}
	return nil
}

func (s *travelAPI) loginStatus([]any) string {
	return s.dict("status", s.expiresIn != nil && !s.expired())
}

func (s *travelAPI) fiscalYear([]any) string { return `{"budget_fiscal_year": "2018"}` }

func (s *travelAPI) register(a []any) string {
	if s.expiresIn == nil {
		return s.error("Token not initialized")
	}
	if why := s.refused(a[0]); why != nil {
		return s.dict("error", why)
	}
	if python.Contains(s.cards.v, a[1]) {
		return s.error("Card already registered")
	}
	id := s.number(100000000000, 999999999999)
	python.SetItem(s.cards.writeDict("get"), id, value.Record("card_number", own(a[1]), "expiration_date", own(a[2]),
		"cardholder_name", own(a[3]), "card_verification_number", own(a[4]), "balance", s.random.between(10000, 99999)))
	return s.dict("card_id", id)
}

// setBalance writes the balance of a card.
func (s *travelAPI) setBalance(id, balance any) {
	cards := s.cards.writeDict("get")
	card := python.Item(cards, id)
	d, ok := card.(*value.Dict)
	if !ok {
		python.SetItem(card, "balance", balance)
	}
	d = d.Copy()
	d.Set("balance", balance)
	cards.Set(id, d)
}

// flightCost answers the cost of the route, in the long context those of all.
func (s *travelAPI) flightCost(a []any) string {
	cost, factor := s.cost(a[0], a[1], a[2], a[3])
	if s.long {
		return allCosts()[factor]
	}
	return s.said(append(value.AppendFloat(append(s.begin(), `{"travel_cost_list": [`...), cost), "]}"...))
}

// cost is the price of a flight and its factor over the route's base price.
func (s *travelAPI) cost(from, to, date, class any) (cost float64, factor int64) {
	python.MustHash(from)
	python.MustHash(to)
	base := baseCost(from, to)
	if base == 0 {
		python.Raise(python.ValueError, "No available route for the given airports.")
	}
	switch class {
	case "economy":
		factor = 1
	case "business":
		factor = 2
	case "first":
		factor = 5
	default:
		python.Raise(python.ValueError, "Invalid travel class. Options are: economy, business, first.")
	}
	if evenDigits(date) {
		factor *= 2
	}
	return float64(base * factor), factor
}

// baseCost is the base price of a route, 0 if there is none.
func baseCost(from, to any) int64 {
	f, ok1 := from.(string)
	t, ok2 := to.(string)
	if !ok1 || !ok2 {
		return 0
	}
	return baseCosts()[[2]string{f, t}]
}

// evenDigits reports whether the sum of the digits of a date is even.
func evenDigits(date any) bool {
	if s, ok := date.(string); ok && ascii(s) {
		sum := 0
		for i := range len(s) {
			if c := s[i]; c >= '0' && c <= '9' {
				sum += int(c - '0')
			}
		}
		return sum%2 == 0
	}
	odd := false
	for _, x := range python.Iterate(date) {
		char, ok := x.(string)
		if b, isBytes := x.(value.Bytes); isBytes {
			char, ok = string(b), true
		}
		if !ok {
			python.Attribute(x, "isdigit")
		}
		if isDigits(char) {
			odd = odd != (python.BigInt(toInt(char)).Bit(0) == 1)
		}
	}
	return !odd
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func (s *travelAPI) balance(a []any) string {
	if why := s.refused(a[0]); why != nil {
		return s.dict("error", why)
	}
	if !python.Contains(s.cards.v, a[1]) {
		return s.error("Card not registered. Here are a list of card_id's: ", &value.List{Items: s.cards.dict("keys").Keys()})
	}
	return s.dict("card_balance", python.Item(python.Item(s.cards.v, a[1]), "balance"))
}

// notBooked answers a booking that fails.
func (s *travelAPI) notBooked(why any) string {
	return s.dict("booking_status", false, "error", why)
}

func (s *travelAPI) book(a []any) string {
	token, card, date, from, to, class := a[0], a[1], a[2], a[3], a[4], a[5]
	if why := s.refused(token); why != nil {
		return s.notBooked(why)
	}
	if !python.Contains(s.cards.v, card) {
		return s.notBooked("Card not registered")
	}
	record := python.Item(s.cards.v, card)
	if !python.Contains(record, "balance") {
		return s.notBooked("Balance not found")
	}
	if !isAirport(from) {
		return s.notBooked(s.tell("Invalid departure airport code: ", from))
	}
	if !isAirport(to) {
		return s.notBooked(s.tell("Invalid destination airport code: ", to))
	}
	day, _ := date.(string)
	_, plain := plainDay(day)
	if !plain && s.valueError(func() { parseTime(date, dayFormat) }) != nil {
		return s.notBooked("Invalid date format. Use YYYY-MM-DD.")
	}
	python.MustHash(class)
	if class != "economy" && class != "business" && class != "first" {
		return s.notBooked("Invalid travel class. Must be one of {'economy', 'business', 'first'}")
	}
	var cost any
	if plain && baseCost(from, to) != 0 { // then nothing is raised
		cost, _ = s.cost(from, to, date, class)
	} else if e := s.valueError(func() { cost, _ = s.cost(from, to, date, class) }); e != nil {
		return s.notBooked(e.Text)
	}
	balance := python.Item(record, "balance")
	if python.Less(balance, cost) {
		return s.notBooked("Insufficient funds")
	}
	if s.budget != nil && python.Less(balance, s.budget) {
		return s.notBooked("Balance is less than budget limit")
	}
	s.setBalance(card, python.Sub("-=", balance, cost))
	booking, transaction := s.number(1000000, 9999999), s.number(10000000, 99999999)
	bookings := s.bookings.writeDict("get")
	bookings.Set(booking, value.Record("card_id", own(card), "travel_date", date, "travel_from", from,
		"travel_to", to, "travel_class", class, "travel_cost", cost, "transaction_id", transaction))
	history := emptyDict
	if s.long {
		history = bookings
	}
	return s.dict("booking_id", booking, "transaction_id", transaction, "booking_status", true, "booking_history", history)
}

// python.ValueError runs f and returns its ValueError; other exceptions go on.
func (s *travelAPI) valueError(f func()) *python.Exception {
	e := python.Try(f)
	if e != nil && e.Kind != python.ValueError {
		panic(e)
	}
	return e
}

var invoiceKeys = [...]any{"travel_date", "travel_from", "travel_to", "travel_class", "travel_cost", "transaction_id"}

func (s *travelAPI) invoice(a []any) string {
	if why := s.refused(a[0]); why != nil {
		return s.dict("error", why)
	}
	if !python.Contains(s.bookings.v, a[1]) {
		return s.error("Booking not found")
	}
	record := python.Item(s.bookings.v, a[1])
	var pairs [2 + 2*len(invoiceKeys)]any
	pairs[0], pairs[1] = "booking_id", a[1]
	for i, key := range invoiceKeys {
		pairs[2+2*i], pairs[3+2*i] = key, python.Item(record, key)
	}
	return s.dict("invoice", value.Record(pairs[:]...))
}

func (s *travelAPI) history(a []any) string {
	if why := s.refused(a[0]); why != nil {
		return s.dict("error", why)
	}
	return s.dict("booking_history", s.bookings.v)
}

var airportList = value.Repr(&value.List{Items: airportCodes})

func (s *travelAPI) airports([]any) string { return airportList }

func (s *travelAPI) cancel(a []any) string {
	if why := s.refused(a[0]); why != nil {
		return s.dict("cancel_status", false, "error", why)
	}
	if !python.Contains(s.bookings.v, a[1]) {
		return s.dict("cancel_status", false, "error", "Booking not found")
	}
	record := python.Item(s.bookings.v, a[1])
	card, cost := python.Item(record, "card_id"), python.Item(record, "travel_cost")
	s.setBalance(card, python.Add("+=", python.Item(python.Item(s.cards.v, card), "balance"), cost))
	s.bookings.writeDict("get").Delete(a[1])
	return s.dict("cancel_status", true)
}

// rates are what a dollar is worth.
var rates = value.NewDict("RMB", int64(7), "EUR", 0.8, "JPY", int64(110), "GBP", 0.7, "CAD", 1.3, "AUD", 1.4,
	"INR", int64(70), "RUB", int64(60), "BRL", 3.8, "MXN", int64(20))

func (s *travelAPI) exchange(a []any) string {
	base, target, amount := a[0], a[1], a[2]
	if base == "USD" {
		if name, ok := target.(string); ok {
			if rate, ok := rates.Get(name); ok {
				return s.dict("exchanged_value", float(python.Mul(amount, rate)))
			}
		}
	} else if target == "USD" {
		if name, ok := base.(string); ok {
			if rate, ok := rates.Get(name); ok {
				return s.dict("exchanged_value", round(python.Div(amount, rate), int64(2)))
			}
		}
	}
	python.Raise(python.ValueError, "No available exchange rate for the given currencies.")
	return ""
}

// notVerified answers a verification that fails.
func (s *travelAPI) notVerified(why any) string {
	return s.dict("verification_status", false, "verification_failure", why)
}

func (s *travelAPI) verify(a []any) string {
	if !value.Equal(s.firstName, a[0]) || !value.Equal(s.lastName, a[1]) {
		return s.notVerified(s.tell("Cannot book flight information for another user.Expected ", s.firstName, " ", s.lastName, ", got ",
			a[0], " ", a[1]))
	}
	var birth time.Time
	if s.valueError(func() { birth = parseTime(a[2], dayFormat) }) != nil {
		return s.notVerified("Invalid date of birth format. Please use YYYY-MM-DD.")
	}
	now := time.Now().UTC()
	age := now.Year() - birth.Year()
	if now.Month() < birth.Month() || now.Month() == birth.Month() && now.Day() < birth.Day() {
		age--
	}
	if age < 18 {
		return s.notVerified("Traveler must be at least 18 years old.")
	}
	passport, ok := a[3].(string)
	if !ok {
		if _, ok := a[3].(value.Bytes); ok {
			python.Raise(python.TypeError, "startswith first arg must be bytes or a tuple of bytes, not str")
		}
		python.Attribute(a[3], "startswith")
	}
	if !strings.HasPrefix(passport, "US") {
		return s.notVerified("Passport must be issued by the United States.")
	}
	return s.dict("verification_status", true)
}

func (s *travelAPI) setBudget(a []any) string {
	if why := s.refused(a[0]); why != nil {
		return s.dict("error", why)
	}
	s.budget = float(a[1])
	return s.dict("budget_limit", s.budget)
}

func (s *travelAPI) nearestAirport(a []any) string {
	code, ok := python.Lookup(cityAirports, a[0])
	if !ok {
		code = "Unknown"
	}
	return s.dict("nearest_airport", code)
}

// notInsured answers a purchase that fails.
func (s *travelAPI) notInsured(why any) string {
	return s.dict("insurance_status", false, "error", why)
}

func (s *travelAPI) insure(a []any) string {
	token, booking, cost, card := a[0], a[2], a[3], a[4]
	if why := s.refused(token); why != nil {
		return s.notInsured(why)
	}
	if s.budget != nil && python.Less(s.budget, cost) {
		return s.notInsured("Exceeded budget limit")
	}
	if !python.Contains(s.bookings.v, booking) {
		return s.notInsured("Booking not found")
	}
	if !python.Contains(s.cards.v, card) {
		return s.notInsured("Credit card not registered")
	}
	s.setBalance(card, python.Sub("-=", python.Item(python.Item(s.cards.v, card), "balance"), cost))
	return s.dict("insurance_id", s.number(100000000, 999999999), "insurance_status", true)
}

func (s *travelAPI) support(a []any) string {
	if !python.Contains(s.bookings.v, a[0]) {
		return s.error("Booking not found")
	}
	return `{"customer_support_message": "Thank you for contacting customer support. Your message has been received and we will get back to you shortly."}`
}

func (s *travelAPI) allCards([]any) string { return s.dict("credit_card_list", s.cards.v) }
