package python

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ballast"
)

// MaxParams is the most parameters that a method may have.
const MaxParams = 6

// Bind matches the arguments of a call with the parameters of a method, self left out, as
// CPython does, in its order of complaints: unexpected and repeated keywords, too many
// positional arguments, missing ones. The last parameters have defaults. The arguments are
// written to a, which has a place for each parameter.
func Bind(class, method string, params []string, defaults, a []any, given []ballast.Arg) {
	if inOrder(params, given) {
		for i := range given {
			a[i] = given[i].Value
		}
		return
	}
	required := len(params) - len(defaults)
	var set [MaxParams]bool
	positional := 0
	for n := range given {
		if g := &given[n]; g.Name == "" {
			if positional < len(a) {
				a[positional] = g.Value
				set[positional] = true
			}
			positional++
		}
	}
	for n := range given {
		g := &given[n]
		if g.Name == "" {
			continue
		}
		i := n // mostly arguments come in the order of the parameters
		if i >= len(params) || params[i] != g.Name {
			i = slices.Index(params, g.Name)
		}
		if i < 0 && g.Name != "self" {
			Raise(TypeError, "%s.%s() got an unexpected keyword argument '%s'", class, method, g.Name)
		}
		if i < 0 || set[i] {
			Raise(TypeError, "%s.%s() got multiple values for argument '%s'", class, method, g.Name)
		}
		a[i] = g.Value
		set[i] = true
	}
	if positional > len(a) {
		tooMany(class, method, len(params)+1, required+1, positional+1)
	}
	missing := 0
	for i := range a {
		if set[i] {
			continue
		}
		if i < required {
			missing++
		} else {
			a[i] = defaults[i-required]
		}
	}
	if missing > 0 {
		lacking(class, method, params, set[:required], missing)
	}
}

// inOrder reports whether every parameter is given by name, in its place.
func inOrder(params []string, given []ballast.Arg) bool {
	if len(given) != len(params) {
		return false
	}
	for i := range given {
		if given[i].Name != params[i] {
			return false
		}
	}
	return true
}

// tooMany raises the error of too many positional arguments; counts include self.
func tooMany(class, method string, most, least, given int) {
	takes, plural := strconv.Itoa(most), "s"
	if least < most {
		takes = fmt.Sprintf("from %d to %d", least, most)
	} else if most == 1 {
		plural = ""
	}
	Raise(TypeError, "%s.%s() takes %s positional argument%s but %d were given", class, method, takes, plural, given)
}

// lacking raises the error of missing arguments.
func lacking(class, method string, params []string, set []bool, n int) {
	var names []string
	for i, ok := range set {
		if !ok {
			names = append(names, "'"+params[i]+"'")
		}
	}
	plural, list := "s", names[0]
	switch {
	case n == 1:
		plural = ""
	case n == 2:
		list = names[0] + " and " + names[1]
	default:
		list = strings.Join(names[:n-1], ", ") + ", and " + names[n-1]
	}
	Raise(TypeError, "%s.%s() missing %d required positional argument%s: %s", class, method, n, plural, list)
}
