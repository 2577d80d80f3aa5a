package bfcl

import (
	"strconv"
	"strings"
	"sync"

	"ballast/value"
	"ballast/world/python"
)

// airportCodes are the airports in the order of list_all_airports.
var airportCodes = codes("RMS SBK MPC SVP SHD CDG LHR SSV OKD WLB PEK HND HKG CIA CRH ATV PHV GFD SFO LAX JFK ORD BOS")

// isAirport reports whether a value is the code of an airport.
func isAirport(v any) bool {
	code, ok := v.(string)
	return ok && airports()[code]
}

var airports = sync.OnceValue(func() map[string]bool {
	m := make(map[string]bool, len(airportCodes))
	for _, code := range airportCodes {
		m[code.(string)] = true
	}
	return m
})

func codes(text string) (items []any) {
	for _, c := range strings.Fields(text) {
		items = append(items, c)
	}
	return items
}

// cityAirports names the airport of each city.
var cityAirports = value.NewDict("Rivermist", "RMS", "Stonebrook", "SBK", "Maplecrest", "MPC", "Silverpine", "SVP",
	"Shadowridge", "SHD", "London", "LHR", "Paris", "CDG", "Sunset Valley", "SSV", "Oakendale", "OKD",
	"Willowbend", "WLB", "Crescent Hollow", "CRH", "Autumnville", "ATV", "Pinehaven", "PHV", "Greenfield", "GFD",
	"San Francisco", "SFO", "Los Angeles", "LAX", "New York", "JFK", "Chicago", "ORD", "Boston", "BOS",
	"Beijing", "PEK", "Hong Kong", "HKG", "Rome", "CIA", "Tokyo", "HND")

// routes lists, by origin, the destinations with their base prices in dollars,
// in the order in which the long context tells them.
var routes = [][2]string{
	{"SFO", "LAX 200 JFK 500 ORD 400 BOS 450 RMS 300 SBK 350 MPC 370 SVP 320 SHD 330 SSV 340 OKD 360 WLB 310 CRH 380 ATV 390 PHV 420 GFD " +
		"430 CIA 700"},
	{"LAX", "SFO 100 JFK 600 ORD 500 BOS 550 RMS 310 SBK 320 MPC 330 SVP 340 SHD 350 SSV 360 OKD 370 WLB 380 CRH 390 ATV 400 PHV 410 GFD " +
		"420 HND 430"},
	{"JFK", "ORD 300 BOS 250 RMS 450 SBK 460 MPC 470 SVP 480 SHD 490 SSV 500 OKD 510 WLB 520 CRH 530 ATV 540 PHV 550 GFD 560 LAX 570 HND " +
		"800 PVG 950 PEK 1000"},
	{"ORD", "LAX 180 BOS 200 RMS 350 SBK 360 MPC 370 SVP 380 SHD 390 SSV 400 OKD 410 WLB 420 CRH 430 ATV 440 PHV 450 GFD 460"},
	{"BOS", "RMS 400 SBK 410 MPC 420 SVP 430 SHD 440 SSV 450 OKD 460 WLB 470 CRH 480 ATV 490 PHV 500 GFD 510"},
	{"RMS", "BOS 200 JFK 210 SBK 220 MPC 230 SVP 240 SHD 250 SSV 260 OKD 270 WLB 280 CRH 290 ATV 300 PHV 310 GFD 320 LAX 330"},
	{"SBK", "MPC 200 SVP 210 SHD 220 SSV 230 OKD 240 WLB 250 CRH 260 ATV 270 PHV 280 GFD 290"},
	{"MPC", "SVP 210 SHD 220 SSV 230 OKD 240 WLB 250 CRH 260 ATV 270 PHV 280 GFD 290"},
	{"SVP", "SHD 230 SSV 240 OKD 250 WLB 260 CRH 270 ATV 280 PHV 290 GFD 300"},
	{"SHD", "SSV 220 OKD 230 WLB 240 CRH 250 ATV 260 PHV 270 GFD 280"},
	{"SSV", "OKD 240 WLB 250 CRH 260 ATV 270 PHV 280 GFD 290"},
	{"OKD", "WLB 230 CRH 240 ATV 250 PHV 260 GFD 270"},
	{"WLB", "CRH 250 ATV 260 PHV 270 GFD 280"},
	{"CRH", "ATV 240 PHV 250 GFD 260 SFO 270 RMS 280 HKG 290 JFK 300"},
	{"ATV", "PHV 230 GFD 240"},
	{"PHV", "GFD 220"},
	{"LHR", "CDG 100"},
	{"OKD", "LAX 220"},
}

// eachRoute calls f for every route in order.
func eachRoute(f func(from, to string, base int64)) {
	for _, r := range routes {
		fields := strings.Fields(r[1])
		for i := 0; i < len(fields); i += 2 {
			base, err := strconv.ParseInt(fields[i+1], 10, 64)
			if err != nil {
				panic(err)
			}
			f(r[0], fields[i], base)
		}
	}
}

// baseCosts is the base price of every route.
var baseCosts = sync.OnceValue(func() map[[2]string]int64 {
	m := make(map[[2]string]int64)
	eachRoute(func(from, to string, base int64) { m[[2]string{from, to}] = base })
	return m
})

// allCosts are the answers with the prices of all routes, by factor over the
// base price.
var allCosts = sync.OnceValue(func() map[int64]string {
	m := make(map[int64]string)
	for _, factor := range []int64{1, 2, 4, 5, 10} {
		l := &value.List{}
		eachRoute(func(_, _ string, base int64) { l.Items = append(l.Items, float64(base*factor)) })
		m[factor] = constant("travel_cost_list", l)
	}
	return m
})

var sectors = map[any][]any{
	"Technology": {"AAPL", "GOOG", "MSFT", "NVDA"},
	"Automobile": {"TSLA", "F", "GM"},
}

// sectorAnswers are the answers to get_available_stocks, without and with the
// stocks of the long context.
var sectorAnswers = [2]func() map[string]string{
	sync.OnceValue(func() map[string]string {
		return map[string]string{
			"Technology": constant("stock_list", &value.List{Items: sectors["Technology"]}),
			"Automobile": constant("stock_list", &value.List{Items: sectors["Automobile"]}),
		}
	}),
	sync.OnceValue(func() map[string]string {
		return map[string]string{
			"Technology": constant("stock_list", constants().technology),
			"Automobile": constant("stock_list", constants().automobile),
		}
	}),
}

func (s *tradingBot) available(a []any) string {
	python.MustHash(a[0])
	answers := sectorAnswers[0]
	if s.long {
		answers = sectorAnswers[1]
	}
	name, _ := a[0].(string)
	if answer, ok := answers()[name]; ok {
		return answer
	}
	return `{"stock_list": []}`
}
