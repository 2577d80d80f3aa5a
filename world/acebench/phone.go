package acebench

import (
	"ballast"
	"ballast/value"
	"ballast/world"
)

// base is what every class of the phone has.
type base struct {
	core
	wifi, loggedIn any
}

func (b *base) flags() *base { return b }

func loadBase(c config) base {
	return base{wifi: c.get("wifi", false), loggedIn: c.get("logged_in", true)}
}

func (b *base) turnOnWifi() string { b.wifi = true; return wifiOn }

func (b *base) loginDevice() string { b.loggedIn = true; return deviceIn }

var (
	wifiOn   = said(true, "Wi-Fi has been turned on")
	deviceIn = said(true, "Device has been logged in")
)

// inherited are the methods of BaseApi, and others behind them.
func inherited[S interface{ flags() *base }](more ...method[S]) []method[S] {
	return append([]method[S]{
		{owner: "BaseApi", name: "login_device", run: func(s S, _ []any) string { return s.flags().loginDevice() }},
		{owner: "BaseApi", name: "turn_on_wifi", run: func(s S, _ []any) string { return s.flags().turnOnWifi() }},
	}, more...)
}

// differ names the first attribute in which two lists of alternating names and values differ.
func differ(a, b []any) string {
	for i := 0; i < len(a); i += 2 {
		if !value.Equal(a[i+1], b[i+1]) {
			return a[i].(string)
		}
	}
	return ""
}

// dict is an attribute that holds a dict which another state may hold, too, until it is written to.
type dict struct {
	*value.Dict
	owned bool
}

// write returns the dict for writing to its own entries, not below them.
func (d *dict) write() *value.Dict {
	if !d.owned {
		d.Dict, d.owned = d.CopyMore(), true
	}
	return d.Dict
}

// list is an attribute that holds a list which another state may hold, too, until it is written to.
type list struct {
	*value.List
	owned bool
}

// write returns the list for writing to its own items, not below them.
func (l *list) write() *value.List {
	if !l.owned {
		l.List, l.owned = &value.List{Items: append(make([]any, 0, len(l.Items)+2), l.Items...)}, true
	}
	return l.List
}

// entry returns an item of the list for writing to it.
func (l *list) entry(i int) *value.Dict {
	d := l.write().Items[i].(*value.Dict).Copy()
	l.Items[i] = d
	return d
}

// baseAPI is a BaseApi.
type baseAPI struct{ base }

func newBase(c config) *baseAPI { return &baseAPI{loadBase(c)} }

var baseClass = newClass("BaseApi", inherited[*baseAPI]()...)

// Call runs one call.
func (s *baseAPI) Call(c ballast.Call) string { return answer(s, c) }

func (s *baseAPI) run(c ballast.Call) string { return baseClass.run(s, &s.core, c) }

// Copy returns a state that goes on from here.
func (s *baseAPI) Copy() world.State { c := *s; return &c }

// Equal names the first attribute that differs.
func (s *baseAPI) Equal(o world.State) string { return differ(s.saved(), o.(*baseAPI).saved()) }

// Dump returns the attributes.
func (s *baseAPI) Dump() any { return value.NewDict(s.saved()...) }

func (s *baseAPI) saved() []any { return []any{"wifi", s.wifi, "logged_in", s.loggedIn} }
