package tinker

import (
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// value is the value of one field as it stands on the wire.
type value struct {
	kind  protowire.Type
	num   uint64 // of a varint or a fixed number
	bytes []byte // of a text, bytes or message; memory of the input
}

// fields calls f for every field of a message. What f does not know it ignores: the
// protocol grows. f's error is given the message's name by the caller.
func fields(b []byte, f func(field protowire.Number, v value) error) error {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("broken protobuf: %w", protowire.ParseError(n))
		}
		b = b[n:]
		v := value{kind: kind}
		switch kind {
		case protowire.VarintType:
			v.num, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var x uint32
			x, n = protowire.ConsumeFixed32(b)
			v.num = uint64(x)
		case protowire.Fixed64Type:
			v.num, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			v.bytes, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(field, kind, b)
		}
		if n < 0 {
			return fmt.Errorf("broken protobuf in field %d: %w", field, protowire.ParseError(n))
		}
		b = b[n:]
		if err := f(field, v); err != nil {
			return err
		}
	}
	return nil
}

// in puts a field's name before an error of what it holds.
func in(err error, name string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

// at is in for an element.
func at(err error, name string, i int) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s[%d]: %w", name, i, err)
}

// is refuses another wire type than a field's.
func (v value) is(kind protowire.Type) error {
	if v.kind != kind {
		return fmt.Errorf("wire type %d instead of %d", v.kind, kind)
	}
	return nil
}

// raw is the field as bytes. They are memory of the input.
func (v value) raw() ([]byte, error) { return v.bytes, v.is(protowire.BytesType) }

func (v value) text(to *string) error {
	if err := v.is(protowire.BytesType); err != nil {
		return err
	}
	if !utf8.Valid(v.bytes) {
		return fmt.Errorf("a text that is no UTF-8")
	}
	*to = string(v.bytes)
	return nil
}

func (v value) bool(to *bool) error {
	*to = v.num != 0
	return v.is(protowire.VarintType)
}

func (v value) double(to *float64) error {
	*to = math.Float64frombits(v.num)
	return v.is(protowire.Fixed64Type)
}

// int is a number from 0 to most.
func (v value) int(to *int, most int64) error {
	if err := v.is(protowire.VarintType); err != nil {
		return err
	}
	if x := int64(v.num); x < 0 || x > most {
		return fmt.Errorf("%d is not between 0 and %d", x, most)
	}
	*to = int(v.num)
	return nil
}

// enum is any number of an enumeration.
func (v value) enum(to *int32) error {
	if err := v.is(protowire.VarintType); err != nil {
		return err
	}
	if int64(int32(v.num)) != int64(v.num) {
		return fmt.Errorf("%d is no value of an enumeration", int64(v.num))
	}
	*to = int32(v.num)
	return nil
}

// ints appends a repeated number, packed or not.
func (v value) ints(to *[]int64) error {
	if v.kind == protowire.VarintType {
		*to = append(*to, int64(v.num))
		return nil
	}
	if err := v.is(protowire.BytesType); err != nil {
		return err
	}
	for b := v.bytes; len(b) > 0; {
		x, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return fmt.Errorf("broken protobuf: %w", protowire.ParseError(n))
		}
		*to, b = append(*to, int64(x)), b[n:]
	}
	return nil
}

// entry reads an entry of a map whose keys are texts.
func (v value) entry(key *string, val func(value) error) error {
	b, err := v.raw()
	if err != nil {
		return err
	}
	return fields(b, func(field protowire.Number, v value) error {
		switch field {
		case 1:
			return in(v.text(key), "key")
		case 2:
			if err := val(v); err != nil {
				return fmt.Errorf("%q: %w", cut(*key, 40), err)
			}
		}
		return nil
	})
}

// doubles reads an entry of a map of numbers.
func (v value) doubles(to *map[string]float64) error {
	var key string
	var x float64 // a missing value is 0, as proto3 has it
	if err := v.entry(&key, func(v value) error { return v.double(&x) }); err != nil {
		return err
	}
	if *to == nil {
		*to = map[string]float64{}
	}
	(*to)[key] = x
	return nil
}

// appendText and the four that follow write a field, and nothing where it has the value
// that a missing one means.
func appendText(b []byte, field protowire.Number, text string) []byte {
	if text == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), text)
}

func appendBytes(b []byte, field protowire.Number, data []byte) []byte {
	if len(data) == 0 {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), data)
}

func appendInt(b []byte, field protowire.Number, x int64) []byte {
	if x == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(x))
}

func appendDoubles(b []byte, field protowire.Number, m map[string]float64) []byte {
	for _, key := range sortedKeys(m) {
		b = appendHead(b, field, protowire.SizeTag(1)+protowire.SizeBytes(len(key))+protowire.SizeTag(2)+protowire.SizeFixed64())
		b = protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), key)
		b = protowire.AppendFixed64(protowire.AppendTag(b, 2, protowire.Fixed64Type), math.Float64bits(m[key]))
	}
	return b
}

// appendHead begins a field of n bytes, which follow.
func appendHead(b []byte, field protowire.Number, n int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.BytesType), uint64(n))
}

// sizeOf is the size of a field of n bytes.
func sizeOf(field protowire.Number, n int) int {
	return protowire.SizeTag(field) + protowire.SizeBytes(n)
}
