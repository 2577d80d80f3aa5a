package bfcl

import (
	"strings"
	"sync"
	"time"

	"ballast"
	"ballast/value"
	"ballast/world"
	"ballast/world/python"
)

// tradingBot is a TradingBot.
type tradingBot struct {
	core
	random        random
	orders        shared // id -> order; never a configuration's, whose keys are text
	account       shared
	authenticated any
	market        any
	counter       any
	stocks        any // never written to
	watchList     shared
	history       shared
	long          bool
	infos         *sync.Map // long answers about stocks, which do not change: made once for a state and its copies
}

func stock(price, change, volume, ma5, ma20 float64) *value.Dict {
	return value.NewDict("price", price, "percent_change", change, "volume", volume, "MA(5)", ma5, "MA(20)", ma20)
}

func order(id int64, kind, symbol string, price float64, amount int64, status string) *value.Dict {
	return value.NewDict("id", id, "order_type", kind, "symbol", symbol, "price", price, "amount", amount, "status", status)
}

var tradingDefaults = struct{ orders, account, stocks, watchList any }{
	value.NewDict(
		int64(12345), order(12345, "Buy", "AAPL", 210.65, 10, "Completed"),
		int64(12446), order(12446, "Sell", "GOOG", 2840.56, 5, "Pending")),
	value.NewDict("account_id", int64(12345), "balance", 10000.0, "binding_card", int64(1974202140965533)),
	value.NewDict(
		"AAPL", stock(227.16, 0.17, 2.552, 227.11, 227.09),
		"GOOG", stock(2840.34, 0.24, 1.123, 2835.67, 2842.15),
		"TSLA", stock(667.92, -0.12, 1.654, 671.15, 668.20),
		"MSFT", stock(310.23, 0.09, 3.234, 309.88, 310.11),
		"NVDA", stock(220.34, 0.34, 1.234, 220.45, 220.67),
		"ALPH", stock(1320.45, -0.08, 1.567, 1321.12, 1325.78),
		"OMEG", stock(457.23, 0.12, 2.345, 456.78, 458.12),
		"QUAS", stock(725.89, -0.03, 1.789, 726.45, 728.00),
		"NEPT", stock(88.34, 0.19, 0.654, 88.21, 88.67),
		"SYNX", stock(345.67, 0.11, 2.112, 345.34, 346.12),
		"ZETA", stock(22.09, -0.05, 0.789, 22.12, 22.34)),
	value.NewList("NVDA"),
}

// tradingFields are the attributes of a tradingBot.
var tradingFields = fields[*tradingBot]{
	{"orders", func(s *tradingBot) *any { return &s.orders.v }, tradingDefaults.orders},
	{"account_info", func(s *tradingBot) *any { return &s.account.v }, tradingDefaults.account},
	{"authenticated", func(s *tradingBot) *any { return &s.authenticated }, false},
	{"market_status", func(s *tradingBot) *any { return &s.market }, "Closed"},
	{"order_counter", func(s *tradingBot) *any { return &s.counter }, int64(12446)},
	{"stocks", func(s *tradingBot) *any { return &s.stocks }, tradingDefaults.stocks},
	{"watch_list", func(s *tradingBot) *any { return &s.watchList.v }, tradingDefaults.watchList},
	{"transaction_history", func(s *tradingBot) *any { return &s.history.v }, emptyList},
}

func newTrading(d *value.Dict, long bool) *tradingBot {
	c := config{d}
	s := &tradingBot{random: newRandom(c.lookup("random_seed", int64(tradingSeed))), long: long}
	tradingFields.load(s, c)
	if long {
		s.infos = new(sync.Map)
	}
	orders := s.orders.dict("items")
	mine := value.MakeDict(orders.Len())
	for i := range orders.Len() {
		k, v := orders.At(i)
		if t, ok := k.(string); ok && isDigits(t) {
			k = toInt(t)
		}
		mine.Set(k, v)
	}
	s.orders = shared{mine, true}
	return s
}

// Call runs one call.
func (s *tradingBot) Call(c ballast.Call) string { return tradingClass.call(s, &s.core, c) }

// Copy returns a state that goes on from here.
func (s *tradingBot) Copy() world.State {
	c := *s
	disown(&c.core, &c.random, &c.orders, &c.account, &c.watchList, &c.history)
	return &c
}

// Equal names the first attribute that differs.
func (s *tradingBot) Equal(other world.State) string {
	o := other.(*tradingBot)
	return tradingFields.differ(s, o, s.long != o.long)
}

// Dump returns the public attributes.
func (s *tradingBot) Dump() any { return dump(s) }

func (s *tradingBot) public() []any { return tradingFields.list(s, "long_context", s.long) }

// tradingClass is the table of TradingBot.
var tradingClass = newClass("TradingBot",
	method[*tradingBot]{name: "add_to_watchlist", params: []string{"stock"}, run: (*tradingBot).watch},
	method[*tradingBot]{name: "cancel_order", params: []string{"order_id"}, run: (*tradingBot).cancel},
	method[*tradingBot]{name: "filter_stocks_by_price", params: []string{"stocks", "min_price", "max_price"}, run: (*tradingBot).filter},
	method[*tradingBot]{name: "fund_account", params: []string{"amount"}, run: (*tradingBot).fund},
	method[*tradingBot]{name: "get_account_info", run: (*tradingBot).accountInfo},
	method[*tradingBot]{name: "get_available_stocks", params: []string{"sector"}, run: (*tradingBot).available},
	method[*tradingBot]{name: "get_current_time", run: (*tradingBot).currentTime},
	method[*tradingBot]{name: "get_order_details", params: []string{"order_id"}, run: (*tradingBot).orderDetails},
	method[*tradingBot]{name: "get_order_history", run: (*tradingBot).orderHistory},
	method[*tradingBot]{name: "get_stock_info", params: []string{"symbol"}, run: (*tradingBot).stockInfo},
	method[*tradingBot]{name: "get_symbol_by_name", params: []string{"name"}, run: (*tradingBot).symbolByName},
	method[*tradingBot]{name: "get_transaction_history", params: []string{"start_date", "end_date"}, defaults: []any{nil, nil},
		run: (*tradingBot).transactions},
	method[*tradingBot]{name: "get_watchlist", run: (*tradingBot).watchlist},
	method[*tradingBot]{name: "notify_price_change", params: []string{"stocks", "threshold"}, run: (*tradingBot).notify},
	method[*tradingBot]{name: "place_order", params: []string{"order_type", "symbol", "price", "amount"}, run: (*tradingBot).place},
	method[*tradingBot]{name: "remove_stock_from_watchlist", params: []string{"symbol"}, run: (*tradingBot).unwatch},
	method[*tradingBot]{name: "trading_get_login_status", run: (*tradingBot).loginStatus},
	method[*tradingBot]{name: "trading_login", params: []string{"username", "password"}, run: (*tradingBot).login},
	method[*tradingBot]{name: "trading_logout", run: (*tradingBot).logout},
	method[*tradingBot]{name: "withdraw_funds", params: []string{"amount"}, run: (*tradingBot).withdraw},
)

// firstSecond is 2024-09-01 10:30 UTC, when the market's clock stands still.
const firstSecond = 1725186600

// timestamp draws a moment of the following day.
func (s *tradingBot) timestamp() any {
	var b [32]byte
	t := time.Unix(s.random.between(firstSecond, firstSecond+24*3600), 0).UTC()
	return value.Text(t.AppendFormat(b[:0], "2006-01-02 15:04:05"))
}

func (s *tradingBot) currentTime([]any) string { return `{"current_time": "10:30 AM"}` }

var symbols = value.NewDict("Apple", "AAPL", "Google", "GOOG", "Tesla", "TSLA", "Microsoft", "MSFT",
	"Nvidia", "NVDA", "Zeta Corp", "ZETA", "Alpha Tech", "ALPH", "Omega Industries", "OMEG",
	"Quasar Ltd.", "QUAS", "Neptune Systems", "NEPT", "Synex Solutions", "SYNX", "Amazon", "AMZN", "Gorilla", "GORI")

func (s *tradingBot) symbolByName(a []any) string {
	symbol, ok := python.Lookup(symbols, a[0])
	if !ok {
		symbol = "Stock not found"
	}
	return s.dict("symbol", symbol)
}

// stock returns what is known of a symbol.
func (s *tradingBot) stock(symbol any) (stock any, ok bool) {
	if !python.Contains(s.stocks, symbol) {
		return nil, false
	}
	return python.Item(s.stocks, symbol), true
}

// notCopied raises what v.copy() raises where v is no dict, or what the use of
// the copy as a dict raises.
func notCopied(v any, key string) {
	if _, ok := v.(*value.List); !ok {
		python.Attribute(v, "copy")
	}
	python.Item(v, key)
}

func (s *tradingBot) stockInfo(a []any) string {
	stock, ok := s.stock(a[0])
	if !ok {
		return s.error("Stock with symbol '", a[0], "' not found.")
	}
	if !s.long {
		return s.answer(stock)
	}
	d, ok := stock.(*value.Dict)
	if !ok {
		notCopied(stock, "MA(5)")
	}
	if answer, ok := s.infos.Load(d); ok {
		return answer.(string)
	}
	more := d.Copy()
	more.Set("MA(5)", constants().ma5)
	more.Set("MA(20)", constants().ma20)
	// It lives as long as the states, and is long: it gets room of its own.
	free := s.free
	s.free = make([]byte, 0, len(constants().ma5.json)+len(constants().ma20.json)+blockLeft)
	answer := s.json(more)
	s.free = free
	s.infos.Store(d, answer)
	return answer
}

func (s *tradingBot) orderDetails(a []any) string {
	order, ok := python.Lookup(s.orders.dict("get"), a[0])
	if !ok {
		return s.error("Order with ID ", a[0], " not found.Here is the list of orders_id: ", &value.List{Items: s.orders.dict("keys").Keys()})
	}
	if !s.long {
		return s.answer(order)
	}
	d, ok := order.(*value.Dict)
	if !ok {
		notCopied(order, "symbol")
	}
	symbol := s.str(python.Item(d, "symbol"))
	if _, ok := d.Get("metadata"); !ok { // the fast way: append to the order's JSON
		if b, err := value.AppendJSON(s.begin(), d); err == nil {
			b = constants().orderDetail.appendFor(append(b[:len(b)-1], `, "metadata": `...), symbol)
			return s.said(append(b, '}'))
		}
	}
	d = d.Copy()
	v, err := value.ParseJSON(constants().orderDetail.appendFor(nil, symbol))
	if err != nil {
		panic(err)
	}
	d.Set("metadata", v)
	return s.json(d)
}

func (s *tradingBot) cancel(a []any) string {
	order, ok := python.Lookup(s.orders.dict("get"), a[0])
	if !ok {
		return s.error("Order with ID ", a[0], " not found.")
	}
	if python.Item(order, "status") == "Completed" {
		return s.error("Can't cancel order ", a[0], ". Order is already completed.")
	}
	changed := order.(*value.Dict).Copy()
	changed.Set("status", "Cancelled")
	s.orders.writeDict("get").Set(a[0], changed)
	return s.dict("order_id", a[0], "status", "Cancelled")
}

func (s *tradingBot) place(a []any) string {
	kind, symbol, price, amount := a[0], a[1], a[2], a[3]
	if !value.Truth(s.authenticated) {
		return s.error("User not authenticated. Please log in to place an order.")
	}
	if !python.Contains(s.stocks, symbol) {
		return s.error("Invalid stock symbol: ", symbol)
	}
	if python.AtMost(price, int64(0)) || python.AtMost(amount, int64(0)) {
		return s.error("Price and amount must be positive values.")
	}
	if isBuy(kind) {
		cost := float(price)
		if n, ok := amount.(int64); ok {
			cost *= float64(n)
		} else {
			cost *= python.ToFloat(toInt(amount))
		}
		balance, ok := s.account.dict("get").Get("balance")
		if !ok {
			balance = int64(0)
		}
		if f, ok := balance.(float64); ok && cost > f || !ok && python.Greater(cost, balance) {
			return s.error("Insufficient funds: required $", fixed2(cost), " but only $", fixed2(python.ToFloat(balance)), " available.")
		}
	}
	paid := price
	if _, ok := price.(float64); !ok {
		paid = float(price)
	}
	id := s.counter
	python.SetItem(s.orders.writeDict("get"), id, value.Record("id", id, "order_type", own(kind), "symbol", own(symbol),
		"price", paid, "amount", own(amount), "status", "Open"))
	s.counter = plusOne(s.counter)
	return s.dict("order_id", id, "order_type", kind, "status", "Pending", "price", paid, "amount", amount)
}

// isBuy is kind.lower() == "buy".
func isBuy(kind any) bool {
	if s, ok := kind.(string); ok && len(s) == len("buy") {
		return s[0]|0x20 == 'b' && s[1]|0x20 == 'u' && s[2]|0x20 == 'y'
	}
	return python.Lower(kind) == "buy"
}

// transact changes the balance and writes the transaction down.
func (s *tradingBot) transact(kind, status string, amount, balance any) string {
	python.SetItem(s.account.writeDict("get"), "balance", balance)
	l := s.history.writeList("append")
	l.Items = append(l.Items, value.Record("type", kind, "amount", own(amount), "timestamp", s.timestamp()))
	return s.dict("status", status, "new_balance", balance)
}

func (s *tradingBot) withdraw(a []any) string {
	if !value.Truth(s.authenticated) {
		return s.error("User not authenticated. Please log in to make a transaction.")
	}
	if s.market != "Open" {
		return s.error("Market is closed. Transactions are not allowed.")
	}
	if python.AtMost(a[0], int64(0)) {
		return s.error("Transaction amount must be positive.")
	}
	if python.Greater(a[0], python.Item(s.account.v, "balance")) {
		return s.error("Insufficient funds for withdrawal.")
	}
	return s.transact("withdrawal", "Withdrawal successful", a[0], python.Sub("-=", python.Item(s.account.v, "balance"), a[0]))
}

func (s *tradingBot) fund(a []any) string {
	if !value.Truth(s.authenticated) {
		return s.error("User not authenticated. Please log in to fund the account.")
	}
	if python.AtMost(a[0], int64(0)) {
		return s.error("Funding amount must be positive.")
	}
	return s.transact("deposit", "Account funded successfully", a[0], python.Add("+=", python.Item(s.account.v, "balance"), a[0]))
}

func (s *tradingBot) accountInfo([]any) string {
	if !value.Truth(s.authenticated) {
		return s.error("User not authenticated. Please log in to view account information.")
	}
	return s.answer(s.account.v)
}

func (s *tradingBot) login([]any) string {
	if value.Truth(s.authenticated) {
		return `{"status": "Already logged in"}`
	}
	s.authenticated = true
	return `{"status": "Logged in successfully"}`
}

func (s *tradingBot) loginStatus([]any) string { return s.dict("status", value.Truth(s.authenticated)) }

func (s *tradingBot) logout([]any) string {
	if !value.Truth(s.authenticated) {
		return `{"status": "No user is currently logged in"}`
	}
	s.authenticated = false
	return `{"status": "Logged out successfully"}`
}

func (s *tradingBot) unwatch(a []any) string {
	if !value.Truth(s.authenticated) {
		return s.error("User not authenticated. Please log in to modify the watchlist.")
	}
	if !python.Contains(s.watchList.v, a[0]) {
		return s.error("Stock ", a[0], " not found in watchlist.")
	}
	l := s.watchList.writeList("remove")
	removeAt(l, python.IndexOf(l.Items, a[0]))
	return s.line("status", "Stock ", a[0], " removed from watchlist successfully.")
}

func (s *tradingBot) watchlist([]any) string {
	if !value.Truth(s.authenticated) {
		return "['Error: User not authenticated. Please log in to view the watchlist.']"
	}
	if !s.long {
		return s.dict("watchlist", s.watchList.v)
	}
	if _, ok := s.watchList.v.(*value.Dict); ok {
		python.Attribute(s.watchList.v, "extend") // it has a copy, unlike other kinds
	}
	b := append(s.begin(), '[')
	for _, x := range s.watchList.list("copy").Items {
		b = append(value.AppendRepr(b, x), ", "...)
	}
	return s.said(append(b, constants().watchList.repr[1:]...))
}

func (s *tradingBot) orderHistory([]any) string {
	if !value.Truth(s.authenticated) {
		return "[{'error': 'User not authenticated. Please log in to view order history.'}]"
	}
	return s.dict("history", &value.List{Items: s.orders.dict("keys").Keys()})
}

func (s *tradingBot) transactions(a []any) string {
	if !value.Truth(s.authenticated) {
		return "[{'error': 'User not authenticated. Please log in to view transaction history.'}]"
	}
	var start, end time.Time
	if value.Truth(a[0]) {
		start = parseTime(a[0], dayFormat)
	}
	if value.Truth(a[1]) {
		end = parseTime(a[1], dayFormat)
	}
	found := &value.List{}
	for _, x := range python.Iterate(s.history.v) {
		t := parseTime(python.Item(x, "timestamp"), secondFormat)
		if (!value.Truth(a[0]) || !t.Before(start)) && (!value.Truth(a[1]) || !t.After(end)) {
			found.Items = append(found.Items, x)
		}
	}
	if !s.long {
		return s.dict("transaction_history", found)
	}
	extension := constants().transactions
	if len(found.Items) == 0 {
		return s.dict("transaction_history", extension)
	}
	b, err := value.AppendJSON(append(s.begin(), `{"transaction_history": `...), found)
	if err != nil {
		found.Items = append(found.Items, extension.v.(*value.List).Items...)
		return s.dict("transaction_history", found)
	}
	return s.said(append(append(append(b[:len(b)-1], ", "...), extension.json[1:]...), '}'))
}

func (s *tradingBot) filter(a []any) string {
	all := share(s.stocks)
	stocks := all.dict("get")
	found := &value.List{}
	for _, symbol := range python.Iterate(a[0]) {
		var price any = int64(0)
		if x, ok := python.Lookup(stocks, symbol); ok {
			d := share(x)
			if p, ok := d.dict("get").Get("price"); ok {
				price = p
			}
		}
		if python.AtLeast(price, a[1]) && python.AtMost(price, a[2]) {
			found.Items = append(found.Items, symbol)
		}
	}
	return s.dict("filtered_stocks", found)
}

func (s *tradingBot) watch(a []any) string {
	if !python.Contains(s.watchList.v, a[0]) && python.Contains(s.stocks, a[0]) {
		l := s.watchList.writeList("append")
		l.Items = append(l.Items, own(a[0]))
	}
	return s.dict("watchlist", s.watchList.v)
}

func (s *tradingBot) notify(a []any) string {
	var changed []any
	for _, symbol := range python.Iterate(a[0]) {
		if stock, ok := s.stock(symbol); ok && python.AtLeast(python.Absolute(python.Item(stock, "percent_change")), a[1]) {
			changed = append(changed, symbol)
		}
	}
	if changed == nil {
		return `{"notification": "No significant price changes in the selected stocks."}`
	}
	joinText(changed)
	names := make([]string, len(changed))
	for i, x := range changed {
		names[i] = x.(string)
	}
	return s.line("notification", "Stocks ", strings.Join(names, ", "), " have significant price changes.")
}
