package tinker

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Metrics are what a server measured, by name.
type Metrics map[string]float64

// UnmarshalJSON leaves out what is null, which the standard decoder would make a zero of.
func (m *Metrics) UnmarshalJSON(text []byte) error {
	var all map[string]*float64
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	*m = nil
	if all != nil {
		*m = make(Metrics, len(all))
	}
	for name, x := range all {
		if x != nil {
			(*m)[name] = *x
		}
	}
	return nil
}

// ForwardBackwardOutput is what came of a request: the tensors of each datum, in order.
type ForwardBackwardOutput struct {
	Type    string    `json:"loss_fn_output_type"`
	Outputs []Tensors `json:"loss_fn_outputs"` // logprobs, and what else the loss has
	Metrics Metrics   `json:"metrics"`
}

// AppendProto writes the message as protobuf: neighbours with equal names and types of
// tensors are one ArrayRecord.
func (o *ForwardBackwardOutput) AppendProto(b []byte) []byte {
	b = appendText(b, 1, o.Type)
	for from := 0; from < len(o.Outputs); {
		to := from + 1
		for to < len(o.Outputs) && alike(o.Outputs[from], o.Outputs[to]) {
			to++
		}
		b = appendBytes(b, 2, appendRecord(nil, o.Outputs[from:to]))
		from = to
	}
	return appendDoubles(b, 3, o.Metrics)
}

// alike says whether two datums fit in one record.
func alike(a, b Tensors) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || a[i].dtype != b[i].dtype {
			return false
		}
	}
	return true
}

func appendRecord(b []byte, datums []Tensors) []byte {
	for i, column := range datums[0] {
		var batch, data, offsets []byte
		offsets = binary.LittleEndian.AppendUint64(offsets, 0)
		for _, d := range datums {
			data = d[i].appendData(data)
			offsets = binary.LittleEndian.AppendUint64(offsets, uint64(len(data)))
		}
		batch = appendBytes(appendBytes(batch, 1, data), 2, offsets)
		batch = appendInt(batch, 3, int64(column.dtype))
		b = appendHead(b, 2, sizeOf(1, len(column.Name))+sizeOf(2, len(batch)))
		b = protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), column.Name)
		b = append(appendHead(b, 2, len(batch)), batch...)
	}
	return appendInt(b, 3, int64(len(datums)))
}

// UnmarshalProto reads what AppendProto, or another's program, wrote. The tags of
// ArrayRecords are not kept.
func (o *ForwardBackwardOutput) UnmarshalProto(b []byte) error {
	*o = ForwardBackwardOutput{}
	records := 0
	return in(fields(b, func(field protowire.Number, v value) error {
		switch field {
		case 1:
			return in(v.text(&o.Type), "loss_fn_output_type")
		case 2:
			records++
			return at(o.readRecord(v), "loss_fn_outputs", records-1)
		case 3:
			return in(v.doubles((*map[string]float64)(&o.Metrics)), "metrics")
		}
		return nil
	}), "ForwardBackwardOutput")
}

// batched is a BatchedTensor: vectors of one name, of all datums of a record.
type batched struct {
	name          string
	data, offsets []byte
	dtype         int32
	trailing      []int64
}

// readRecord appends the datums of an ArrayRecord.
func (o *ForwardBackwardOutput) readRecord(v value) error {
	b, err := v.raw()
	if err != nil {
		return err
	}
	var columns []batched
	count := 0
	err = fields(b, func(field protowire.Number, v value) error {
		switch field {
		case 1:
			var tag string
			return in(v.text(&tag), "type_tag")
		case 2:
			columns = append(columns, batched{})
			c := &columns[len(columns)-1]
			return in(v.entry(&c.name, c.read), "fields")
		case 3:
			return in(v.int(&count, math.MaxInt32), "num_datums")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(columns) == 0 && count > 0 {
		return fmt.Errorf("num_datums: %d datums without a field", count)
	}
	for _, c := range columns { // before anything is made that is as large as the count says
		if len(c.offsets) != 8*(count+1) {
			return fmt.Errorf("fields: %q: offsets: %d bytes, and not the %d of %d datums", cut(c.name, 40), len(c.offsets), 8*(count+1), count)
		}
	}
	rows := make([]Tensors, count)
	cells := make([]Named, count*len(columns))
	for i := range rows {
		rows[i] = cells[i*len(columns) : i*len(columns) : (i+1)*len(columns)]
	}
	for _, c := range columns {
		if err := c.addTo(rows); err != nil {
			return fmt.Errorf("fields: %q: %w", cut(c.name, 40), err)
		}
	}
	for i := range rows {
		if err := rows[i].sorted(); err != nil {
			return in(err, "fields")
		}
	}
	o.Outputs = append(o.Outputs, rows...)
	return nil
}

func (c *batched) read(v value) error {
	b, err := v.raw()
	if err != nil {
		return err
	}
	return fields(b, func(field protowire.Number, v value) (err error) {
		switch field {
		case 1:
			c.data, err = v.raw()
			return in(err, "data")
		case 2:
			c.offsets, err = v.raw()
			return in(err, "offsets")
		case 3:
			return in(v.enum(&c.dtype), "dtype")
		case 4:
			return in(v.ints(&c.trailing), "trailing_shape")
		}
		return nil
	})
}

// addTo cuts the data into the rows. The elements are read once, all together.
func (c *batched) addTo(rows []Tensors) error {
	if len(c.trailing) > 0 {
		return fmt.Errorf("trailing_shape: more than one dimension, which is not read here")
	}
	all, err := tensorOf(DType(c.dtype), c.data)
	if err != nil {
		return err
	}
	size := uint64(dtypes[all.dtype].size)
	bound := func(i int) uint64 { return binary.LittleEndian.Uint64(c.offsets[8*i:]) }
	if bound(0) != 0 || bound(len(rows)) != uint64(len(c.data)) {
		return fmt.Errorf("offsets: from %d to %d, and not over the %d bytes of data", bound(0), bound(len(rows)), len(c.data))
	}
	for i := range rows {
		from, to := bound(i), bound(i+1)
		if from > to || to > uint64(len(c.data)) || from%size != 0 || to%size != 0 {
			return fmt.Errorf("offsets: datum %d lies from %d to %d", i, from, to)
		}
		t := Tensor{dtype: all.dtype}
		from, to = from/size, to/size
		if all.ints != nil {
			t.ints = all.ints[from:to:to]
		} else {
			t.floats = all.floats[from:to:to]
		}
		rows[i] = append(rows[i], Named{c.name, t})
	}
	return nil
}
