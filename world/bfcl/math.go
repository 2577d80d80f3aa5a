package bfcl

import (
	"math"

	"ballast"
	"ballast/value"
	"ballast/world"
	"ballast/world/python"
)

// mathAPI is a MathAPI, which has no state. Its configuration is ignored.
type mathAPI struct{ core }

func newMath(*value.Dict, bool) *mathAPI { return &mathAPI{} }

// Call runs one call.
func (s *mathAPI) Call(c ballast.Call) string { return mathClass.call(s, &s.core, c) }

// Copy returns a state that goes on from here.
func (s *mathAPI) Copy() world.State { return &mathAPI{} }

// Equal names the first attribute that differs.
func (s *mathAPI) Equal(world.State) string { return "" }

func (s *mathAPI) public() []any { return nil }

// Dump returns the public attributes.
func (s *mathAPI) Dump() any { return &value.Dict{} }

// mathClass is the table of MathAPI.
var mathClass = newClass("MathAPI",
	method[*mathAPI]{name: "absolute_value", params: []string{"number"}, run: (*mathAPI).absoluteValue},
	method[*mathAPI]{name: "add", params: []string{"a", "b"}, run: (*mathAPI).add},
	method[*mathAPI]{name: "divide", params: []string{"a", "b"}, run: (*mathAPI).divide},
	method[*mathAPI]{name: "imperial_si_conversion", params: []string{"value", "unit_in", "unit_out"}, run: (*mathAPI).imperial},
	method[*mathAPI]{name: "logarithm", params: []string{"value", "base", "precision"}, run: (*mathAPI).logarithm},
	method[*mathAPI]{name: "max_value", params: []string{"numbers"}, run: (*mathAPI).maxValue},
	method[*mathAPI]{name: "mean", params: []string{"numbers"}, run: (*mathAPI).mean},
	method[*mathAPI]{name: "min_value", params: []string{"numbers"}, run: (*mathAPI).minValue},
	method[*mathAPI]{name: "multiply", params: []string{"a", "b"}, run: (*mathAPI).multiply},
	method[*mathAPI]{name: "percentage", params: []string{"part", "whole"}, run: (*mathAPI).percentage},
	method[*mathAPI]{name: "power", params: []string{"base", "exponent"}, run: (*mathAPI).power},
	method[*mathAPI]{name: "round_number", params: []string{"number", "decimal_places"}, defaults: []any{int64(0)},
		run: (*mathAPI).roundNumber},
	method[*mathAPI]{name: "si_unit_conversion", params: []string{"value", "unit_in", "unit_out"}, run: (*mathAPI).si},
	method[*mathAPI]{name: "square_root", params: []string{"number", "precision"}, run: (*mathAPI).squareRoot},
	method[*mathAPI]{name: "standard_deviation", params: []string{"numbers"}, run: (*mathAPI).deviation},
	method[*mathAPI]{name: "subtract", params: []string{"a", "b"}, run: (*mathAPI).subtract},
	method[*mathAPI]{name: "sum_values", params: []string{"numbers"}, run: (*mathAPI).sumValues},
)

const (
	bothNumbers = "Both inputs must be numbers"
	allNumbers  = "All elements in the list must be numbers"
	tooLarge    = "Conversion resulted in a value too large to represent"
)

// guard answers f's result; an exception of the kind becomes an error answer
// with the text, others end the call.
func (s *mathAPI) guard(kind, text string, f func() any) string {
	var result any
	if e := python.Try(func() { result = f() }); e != nil {
		if e.Kind != kind {
			panic(e)
		}
		return s.error(text)
	}
	return s.dict("result", result)
}

func (s *mathAPI) logarithm(a []any) string {
	var result any
	if e := python.Try(func() { result = newMP(a[2]).logarithm(a[0], a[1]) }); e != nil {
		return s.error(e.Text)
	}
	return s.said(append(value.AppendRepr(append(s.begin(), "{'result': "...), result), '}')) // it has no JSON
}

// sum is Python's sum, which in version 3.11 adds plainly from left to right.
func sum(items []any) any {
	whole, i := int64(0), 0
	for ; i < len(items); i++ { // integers first, floats after them, as a rule
		n, ok := items[i].(int64)
		if !ok || n != int64(int32(n)) {
			break
		}
		whole += n
	}
	var total any = whole
	if i < len(items) {
		if _, ok := items[i].(float64); ok {
			f := float64(whole)
			for ; i < len(items); i++ {
				x, ok := items[i].(float64)
				if !ok {
					break
				}
				f += x
			}
			total = f
		}
	}
	for _, x := range items[i:] {
		total = python.Add("+", total, x)
	}
	return total
}

func (s *mathAPI) mean(a []any) string {
	if !value.Truth(a[0]) {
		return s.error("Cannot calculate mean of an empty list")
	}
	return s.guard(python.TypeError, allNumbers, func() any {
		return python.Div(sum(python.Iterate(a[0])), python.Length(a[0]))
	})
}

func (s *mathAPI) deviation(a []any) string {
	if !value.Truth(a[0]) {
		return s.error("Cannot calculate standard deviation of an empty list")
	}
	return s.guard(python.TypeError, allNumbers, func() any {
		items := python.Iterate(a[0])
		mean := python.Div(sum(items), python.Length(a[0]))
		var total any = int64(0)
		for _, x := range items {
			total = python.Add("+", total, square(python.ToFloat(python.Sub("-", x, mean))))
		}
		variance := python.ToFloat(python.Div(total, python.Length(a[0])))
		return math.Sqrt(variance)
	})
}

// square is x ** 2 of a float.
func square(x float64) float64 {
	y := x * x
	if math.IsInf(y, 0) && !math.IsInf(x, 0) {
		python.Raise(python.OverflowError, "(34, 'Numerical result out of range')")
	}
	return y
}

// meters are the units of si_unit_conversion.
var meters = value.NewDict("km", int64(1000), "m", int64(1), "cm", 0.01, "mm", 0.001, "um", 1e-6, "nm", 1e-9)

func (s *mathAPI) si(a []any) string {
	v, in, out := a[0], a[1], a[2]
	if !python.IsNumber(v) {
		return s.error("Value must be a number")
	}
	from, ok := python.Lookup(meters, in)
	if !ok {
		return s.error("Conversion from '", in, "' to '", out, "' is not supported")
	}
	to, ok := python.Lookup(meters, out)
	if !ok {
		return s.error("Conversion from '", in, "' to '", out, "' is not supported")
	}
	return s.guard(python.OverflowError, tooLarge, func() any { return python.Mul(python.Mul(v, from), python.Div(int64(1), to)) })
}

// imperialFactors are the conversions of imperial_si_conversion.
var imperialFactors = map[string]float64{
	"cm_to_in": 0.393701, "in_to_cm": 2.54, "m_to_ft": 3.28084, "ft_to_m": 0.3048,
	"m_to_yd": 1.09361, "yd_to_m": 0.9144, "km_to_miles": 0.621371, "miles_to_km": 1.60934,
	"kg_to_lb": 2.20462, "lb_to_kg": 0.453592, "celsius_to_fahrenheit": 1.8, "fahrenheit_to_celsius": 5.0 / 9.0,
}

func (s *mathAPI) imperial(a []any) string {
	v, in, out := a[0], a[1], a[2]
	if !python.IsNumber(v) {
		return s.error("Value must be a number")
	}
	if value.Equal(in, out) {
		return s.dict("result", v)
	}
	factor, ok := imperialFactors[str(in, "_to_", out)]
	if !ok {
		return s.error("Conversion from '", in, "' to '", out, "' is not supported")
	}
	return s.guard(python.OverflowError, tooLarge, func() any {
		switch {
		case in == "celsius" && out == "fahrenheit":
			return python.Add("+", python.Mul(v, factor), int64(32))
		case in == "fahrenheit" && out == "celsius":
			return python.Mul(python.Sub("-", v, int64(32)), factor)
		}
		return python.Mul(v, factor)
	})
}

func (s *mathAPI) add(a []any) string {
	return s.guard(python.TypeError, bothNumbers, func() any { return python.Add("+", a[0], a[1]) })
}

func (s *mathAPI) subtract(a []any) string {
	return s.guard(python.TypeError, bothNumbers, func() any { return python.Sub("-", a[0], a[1]) })
}

func (s *mathAPI) multiply(a []any) string {
	if !python.IsNumber(a[0]) || !python.IsNumber(a[1]) {
		return s.error(bothNumbers)
	}
	return s.dict("result", python.Mul(a[0], a[1]))
}

func (s *mathAPI) divide(a []any) string {
	if value.Equal(a[1], int64(0)) {
		return s.error("Cannot divide by zero")
	}
	return s.guard(python.TypeError, bothNumbers, func() any { return python.Div(a[0], a[1]) })
}

func (s *mathAPI) power(a []any) string {
	return s.guard(python.TypeError, bothNumbers, func() any { return power(a[0], a[1]) })
}

func (s *mathAPI) squareRoot(a []any) string {
	negative := false
	text := "Input must be a number or computation resulted in an invalid operation"
	answer := s.guard(python.TypeError, text, func() any {
		if negative = python.Less(a[0], int64(0)); negative {
			return nil
		}
		p := precision(a[1])
		return newDecimal(a[0]).sqrt(p)
	})
	if negative {
		return s.error("Cannot calculate square root of a negative number")
	}
	return answer
}

func (s *mathAPI) absoluteValue(a []any) string {
	return s.guard(python.TypeError, "Input must be a number", func() any { return python.Absolute(a[0]) })
}

func (s *mathAPI) roundNumber(a []any) string {
	return s.guard(python.TypeError, "First input must be a number, second input must be an integer", func() any { return round(a[0], a[1]) })
}

func (s *mathAPI) percentage(a []any) string {
	if value.Equal(a[1], int64(0)) {
		return s.error("Whole value cannot be zero")
	}
	return s.guard(python.TypeError, bothNumbers, func() any { return python.Mul(python.Div(a[0], a[1]), int64(100)) })
}

// extreme returns the first item that no other beats.
func extreme(v any, beats func(a, b any) bool) any {
	items := python.Iterate(v)
	best := items[0]
	for _, x := range items[1:] {
		if beats(x, best) {
			best = x
		}
	}
	return best
}

func (s *mathAPI) minValue(a []any) string {
	if !value.Truth(a[0]) {
		return s.error("Cannot find minimum of an empty list")
	}
	return s.guard(python.TypeError, allNumbers, func() any { return extreme(a[0], python.Less) })
}

func (s *mathAPI) maxValue(a []any) string {
	if !value.Truth(a[0]) {
		return s.error("Cannot find maximum of an empty list")
	}
	return s.guard(python.TypeError, allNumbers, func() any { return extreme(a[0], python.Greater) })
}

func (s *mathAPI) sumValues(a []any) string {
	if !value.Truth(a[0]) {
		return s.error("Cannot calculate sum of an empty list")
	}
	return s.guard(python.TypeError, allNumbers, func() any { return sum(python.Iterate(a[0])) })
}
