package bfcl

import "sync"

// distances between zip codes, in either direction.
var distances = map[[2]string]any{
	{"83214", "74532"}: 750.0, {"56108", "62947"}: 320.0, {"71354", "83462"}: 450.0, {"47329", "52013"}: 290.0,
	{"69238", "51479"}: 630.0, {"94016", "83214"}: 980.0, {"94016", "94704"}: 600.0, {"94704", "08540"}: 2550.0,
	{"94016", "08540"}: 1950.0, {"62947", "47329"}: 1053.0, {"94016", "62947"}: 780.0, {"74532", "94016"}: 880.0,
}

// notFar keys the answer for cities between which no distance is known.
var notFar [2]string

// distanceAnswers are the answers to estimate_distance, without and with the
// cities on the way.
var distanceAnswers = [2]func() map[[2]string]string{
	sync.OnceValue(func() map[[2]string]string { return answerDistances() }),
	sync.OnceValue(func() map[[2]string]string {
		return answerDistances("intermediaryCities", constants().cities)
	}),
}

// answerDistances makes the answer for every pair of cities; more follows the
// distance in each.
func answerDistances(more ...any) map[[2]string]string {
	m := make(map[[2]string]string)
	m[notFar] = constant(append([]any{"error", "distance not found in database."}, more...)...)
	for pair, distance := range distances {
		m[pair] = constant(append([]any{"distance", distance}, more...)...)
		m[[2]string{pair[1], pair[0]}] = m[pair]
	}
	return m
}

func (s *vehicleAPI) estimateDistance(a []any) string {
	answers := distanceAnswers[0]
	if s.long {
		answers = distanceAnswers[1]
	}
	from, _ := a[0].(string)
	to, _ := a[1].(string)
	if answer, ok := answers()[[2]string{from, to}]; ok {
		return answer
	}
	return answers()[notFar]
}

// zipcodes of the cities.
var zipcodes = map[string]string{
	"Rivermist": "83214", "Stonebrook": "74532", "Maplecrest": "56108", "Silverpine": "62947",
	"Shadowridge": "71354", "Sunset Valley": "83462", "Oakendale": "47329", "Willowbend": "52013",
	"Crescent Hollow": "69238", "Autumnville": "51479", "San Francisco": "94016",
}

// zipcodeAnswers are the answers to get_zipcode_based_on_city.
var zipcodeAnswers = sync.OnceValue(func() map[string]string {
	m := make(map[string]string, len(zipcodes))
	for city, code := range zipcodes {
		m[city] = constant("zipcode", code)
	}
	return m
})

func (s *vehicleAPI) zipcode(a []any) string {
	city, _ := a[0].(string)
	if answer, ok := zipcodeAnswers()[city]; ok {
		return answer
	}
	return `{"zipcode": "00000"}`
}
