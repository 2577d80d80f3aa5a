package bfcl

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"strings"
	"sync"

	"ballast/value"
)

//go:embed longcontext.json.gz
var longContextData []byte

// frozen is a constant value with its texts made once. It is only ever part of an
// answer.
type frozen struct {
	v          any
	json, repr string
}

func (f *frozen) TypeName() string             { return value.TypeName(f.v) }
func (f *frozen) AppendRepr(dst []byte) []byte { return append(dst, f.repr...) }
func (f *frozen) EqualTo(other any) bool       { return value.Equal(f.v, other) }

// AppendJSON appends the value as Python's json writes it.
func (f *frozen) AppendJSON(dst []byte) ([]byte, error) { return append(dst, f.json...), nil }

func freeze(v any) *frozen {
	f := &frozen{v: v, repr: value.Repr(v)}
	if s, err := value.JSON(v); err == nil {
		f.json = s
	}
	return f
}

// ellipsis is Python's Ellipsis, which the watch list of the long context holds.
type ellipsis struct{}

func (ellipsis) TypeName() string             { return "ellipsis" }
func (ellipsis) AppendRepr(dst []byte) []byte { return append(dst, "Ellipsis"...) }
func (ellipsis) EqualTo(other any) bool       { return other == ellipsis{} }

// longContext is the data that the long-context variants add.
type longContext struct {
	fileContent     string
	fileContentJSON string // quoted
	tailUsed        []any  // names of files that keep their content
	populate        []any
	watchList       *frozen
	transactions    *frozen
	ma5, ma20       *frozen
	technology      *frozen // the stocks of the sector, the usual ones included
	automobile      *frozen
	orderDetail     template
	carStatus       *frozen
	weather         *frozen
	parkingBrake    *frozen
	cities          *frozen
	creditCards     *value.Dict
	bookings        *value.Dict
}

// LongContext returns the constants of the long context as they are built in: one
// JSON object by name.
func LongContext() []byte {
	zr, err := gzip.NewReader(bytes.NewReader(longContextData))
	if err != nil {
		panic(err)
	}
	data, err := io.ReadAll(zr)
	if err != nil {
		panic(err)
	}
	return data
}

// constants returns the data of the long context, read on first use. It is
// shared: nobody changes it.
var constants = sync.OnceValue(func() *longContext {
	v, err := value.ParseJSON(LongContext())
	if err != nil {
		panic(err)
	}
	d := v.(*value.Dict)
	get := func(key string) any {
		v, ok := d.Get(key)
		if !ok {
			panic("bfcl: the constants lack " + key)
		}
		return v
	}
	c := &longContext{
		fileContent:  get("FILE_CONTENT_EXTENSION").(string),
		tailUsed:     get("FILES_TAIL_USED").(*value.List).Items,
		populate:     get("POPULATE_FILE_EXTENSION").(*value.List).Items,
		transactions: freeze(get("TRANSACTION_HISTORY_EXTENSION")),
		ma5:          freeze(get("MA_5_EXTENSION")),
		ma20:         freeze(get("MA_20_EXTENSION")),
		technology:   freeze(joined(sectors["Technology"], get("TECHNOLOGY_EXTENSION"))),
		automobile:   freeze(joined(sectors["Automobile"], get("AUTOMOBILE_EXTENSION"))),
		orderDetail:  newTemplate(get("ORDER_DETAIL_EXTENSION")),
		carStatus:    freeze(get("CAR_STATUS_METADATA_EXTENSION")),
		weather:      freeze(get("LONG_WEATHER_EXTENSION")),
		parkingBrake: freeze(get("PARKING_BRAKE_INSTRUCTION")),
		cities:       freeze(get("INTERMEDIARY_CITIES")),
		creditCards:  get("CREDIT_CARD_EXTENSION").(*value.Dict),
		bookings:     get("BOOKING_RECORD_EXTENSION").(*value.Dict),
	}
	for _, d := range []*value.Dict{c.creditCards, c.bookings} {
		for i := range d.Len() {
			_, x := d.At(i)
			x.(*value.Dict).Freeze() // states replace them, they do not change them
		}
	}
	c.fileContentJSON = string(value.AppendQuoted(nil, c.fileContent))
	watchList := get("WATCH_LIST_EXTENSION").(*value.List)
	for i, x := range watchList.Items {
		if _, ok := x.(*value.Dict); ok {
			watchList.Items[i] = ellipsis{}
		}
	}
	c.watchList = freeze(watchList)
	return c
})

// joined is one list of both.
func joined(items []any, more any) *value.List {
	return &value.List{Items: append(append([]any(nil), items...), more.(*value.List).Items...)}
}

// template is JSON with a place for a symbol between its parts.
type template []string

func newTemplate(v any) template {
	return strings.Split(freeze(v).json, "{symbol}")
}

// appendFor appends the JSON for a symbol.
func (t template) appendFor(dst []byte, symbol string) []byte {
	quoted := value.AppendQuoted(nil, symbol)
	for i, part := range t {
		if i > 0 {
			dst = append(dst, quoted[1:len(quoted)-1]...)
		}
		dst = append(dst, part...)
	}
	return dst
}
