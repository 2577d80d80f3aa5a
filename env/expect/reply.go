package expect

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"

	"ballast/safetext"
)

// MaxNumbers is how many different numbers a reply may hold where one of them is asked for:
// who lists all numbers that there may be has not answered.
const MaxNumbers = 10

// Differs compares a reply with what it must say, and names the first difference; "" for none.
// White space around both does not count.
func (r *Reply) Differs(reply string) string {
	reply = strings.TrimSpace(reply)
	shown := safetext.Brief(reply, 100)
	if r.Equals != "" && reply != strings.TrimSpace(r.Equals) {
		return brief(fmt.Sprintf("the reply is %q, wanted %q", shown, safetext.Brief(r.Equals, 60)))
	}
	for _, c := range r.Contains {
		if !strings.Contains(reply, c) {
			return brief(fmt.Sprintf("%q does not stand in the reply %q", safetext.Brief(c, 60), shown))
		}
	}
	if r.Matches != nil && !r.Matches.MatchString(reply) {
		return brief(fmt.Sprintf("the reply %q has no match of %s", shown, safetext.Brief(r.Matches.String(), 60)))
	}
	if r.Number != nil {
		return r.Number.among(Numbers(reply))
	}
	return ""
}

// among looks for the number, and says how it is not there.
func (n *Number) among(found []float64) string {
	different, near, hit := map[float64]bool{}, math.Inf(1), false
	for _, x := range found {
		different[x] = true
		// What is written in decimal digits is as far off as it says: 0.3 is within 0.1 of 0.2. Without
		// a distance the digits must be the same, however large: numbers of orders and times are.
		hit = hit || x == n.Value || n.Within > 0 && math.Abs(x-n.Value) <= n.Within+1e-15*math.Max(math.Abs(x), math.Abs(n.Value))
		if math.Abs(x-n.Value) < math.Abs(near-n.Value) {
			near = x
		}
	}
	switch {
	case len(found) == 0:
		return "there is no number in the reply, wanted " + digits(n.Value)
	case len(different) > MaxNumbers:
		return fmt.Sprintf("there are %d different numbers in the reply, at most %d are an answer", len(different), MaxNumbers)
	case !hit:
		return "the nearest number in the reply is " + digits(near) + ", wanted " + digits(n.Value)
	}
	return ""
}

// digits writes a number as a person does, up to sizes that no person writes.
func digits(x float64) string {
	how := byte('f')
	if math.Abs(x) >= 1e21 {
		how = 'g'
	}
	return strconv.FormatFloat(x, how, -1, 64)
}

// Numbers lists the numbers that stand in a text, from left to right.
//
//   - A minus (- or U+2212) is a sign where the text begins with it, or white space, a bracket, a
//     quote, an equals sign, a colon, an asterisk or a currency's symbol stands before it. It may
//     stand before the symbol: "-$5". "3-5" is 3 and 5.
//   - Commas, and the spaces U+00A0, U+2009 and U+202F, are thousands where they part groups of
//     three digits: "1,234.5". "1,23" is 1 and 23. A comma is never a decimal point.
//   - What follows a letter or an underscore is a name and no number: "A17", "v2". What a letter
//     follows is one: "3kg".
//   - Digits with several points are none: "1.2.3", "10.0.0.1".
func Numbers(text string) (out []float64) {
	s := scanner{[]rune(text), 0}
	for s.at < len(s.text) {
		if !digit(s.rune(0)) && !(s.rune(0) == '.' && digit(s.rune(1))) {
			s.at++
			continue
		}
		start := s.at
		spelled, ok := s.number()
		if before := s.before(start); unicode.IsLetter(before) || before == '_' || !ok {
			continue
		}
		x, err := strconv.ParseFloat(spelled, 64)
		if err != nil { // too large for one
			continue
		}
		if s.minus(start) {
			x = -x
		}
		out = append(out, x)
	}
	return out
}

// scanner reads a text character by character.
type scanner struct {
	text []rune
	at   int
}

func digit(r rune) bool { return r >= '0' && r <= '9' }

// rune is the character n after the current one, 0 behind the end.
func (s *scanner) rune(n int) rune {
	if s.at+n < len(s.text) {
		return s.text[s.at+n]
	}
	return 0
}

// before is the character before a place, 0 at the start.
func (s *scanner) before(at int) rune {
	if at > 0 {
		return s.text[at-1]
	}
	return 0
}

// digits takes digits.
func (s *scanner) digits() string {
	start := s.at
	for digit(s.rune(0)) {
		s.at++
	}
	return string(s.text[start:s.at])
}

// number takes a number without its sign, as strconv reads it; false for digits with several
// points.
func (s *scanner) number() (spelled string, ok bool) {
	spelled = s.digits()
	if n := len(spelled); n > 0 && n <= 3 && spelled[0] != '0' {
		for sep := s.rune(0); (sep == ',' || sep == '\u00a0' || sep == '\u2009' || sep == '\u202f') && s.rune(0) == sep &&
			digit(s.rune(1)) && digit(s.rune(2)) && digit(s.rune(3)) && !digit(s.rune(4)); {
			s.at++
			spelled += s.digits()
		}
	}
	points := 0
	for s.rune(0) == '.' && digit(s.rune(1)) {
		s.at++
		points++
		spelled += "." + s.digits()
	}
	if e := s.rune(0); e == 'e' || e == 'E' {
		sign := 0
		if c := s.rune(1); c == '-' || c == '+' {
			sign = 1
		}
		n := 1 + sign
		for digit(s.rune(n)) {
			n++
		}
		if n > 1+sign && !unicode.IsLetter(s.rune(n)) {
			spelled += string(s.text[s.at : s.at+n])
			s.at += n
		}
	}
	return spelled, points < 2
}

// minus says whether a number that begins at a place has a sign before it.
func (s *scanner) minus(start int) bool {
	if unicode.Is(unicode.Sc, s.before(start)) {
		start--
	}
	if r := s.before(start); r != '-' && r != '\u2212' {
		return false
	}
	r := s.before(start - 1)
	return r == 0 || unicode.IsSpace(r) || unicode.Is(unicode.Sc, r) || strings.ContainsRune("([{\"'=:*`", r)
}

// float is a number of JSON.
func float(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f
	case float64:
		return v
	}
	return 0
}
