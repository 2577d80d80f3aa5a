package parquetfile

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"

	"ballast/bounded"
)

// maxPageValues bounds the values of one page: run lengths make any number of them
// from a few bytes.
const maxPageValues = 16 << 20

// chunk is a part of a file that holds the pages of one column.
type chunk struct {
	file        io.ReaderAt
	start, size int64
	codec       format.CompressionCodec
	rep, def    int64 // bits of a repetition and of a definition level
	fixed       int64 // bytes of a value of fixed length
	limit       Limits
	buf         bytes.Buffer
	zstd        *zstd.Decoder
}

// check walks over the pages as the library will and refuses those that would
// unpack to more than their header says or than the limit. The answer is the memory
// that the largest page and the dictionary need.
func (c *chunk) check() (memory int64, err error) {
	defer func() {
		if c.zstd != nil {
			c.zstd.Close()
		}
	}()
	var dictionary, page int64
	for at := int64(0); at < c.size; {
		n, h, err := c.header(at)
		if err != nil {
			return 0, err
		}
		at += int64(n)
		packed, unpacked := int64(h.CompressedPageSize), int64(h.UncompressedPageSize)
		values := max(int64(h.DataPageHeader.V.NumValues), int64(h.DataPageHeaderV2.V.NumValues), int64(h.DictionaryPageHeader.V.NumValues))
		switch {
		case packed < 0 || packed > c.size-at:
			return 0, fmt.Errorf("a page of %d bytes where %d are left", packed, c.size-at)
		case unpacked < 0 || unpacked > c.limit.Page || packed > c.limit.Page:
			return 0, fmt.Errorf("a page of %s: %w: more than %s", bounded.Bytes(max(unpacked, packed)), bounded.ErrTooLarge,
				bounded.Bytes(c.limit.Page))
		case values < 0 || values > maxPageValues || values*c.fixed > c.limit.Page:
			return 0, fmt.Errorf("a page of %d values: %w", values, bounded.ErrTooLarge)
		}
		body := make([]byte, packed)
		if _, err := c.file.ReadAt(body, c.start+at); err != nil {
			return 0, err
		}
		at += packed
		out, err := c.page(h, body)
		if err != nil {
			return 0, err
		}
		need := packed + unpacked + out + 16*values
		if h.Type == format.DictionaryPage {
			dictionary = max(dictionary, need)
		} else {
			page = max(page, need)
		}
	}
	return dictionary + page, nil
}

// header reads the header of a page.
func (c *chunk) header(at int64) (int, format.PageHeader, error) {
	var h format.PageHeader
	for window := int64(4 << 10); ; window *= 8 {
		buf := make([]byte, min(window, c.size-at))
		if _, err := c.file.ReadAt(buf, c.start+at); err != nil {
			return 0, h, err
		}
		n, err := scan(buf)
		switch {
		case errors.Is(err, errShort) && int64(len(buf)) < c.size-at && window < 2*c.limit.Page:
			continue // statistics hold values
		case err != nil:
			return 0, h, fmt.Errorf("page header: %w", err)
		}
		return n, h, thrift.Unmarshal(&thrift.CompactProtocol{}, buf[:n], &h)
	}
}

// page checks the content of a page and returns the bytes that its encoding makes of
// it beyond those of the unpacked page.
func (c *chunk) page(h format.PageHeader, body []byte) (int64, error) {
	limit := int64(h.UncompressedPageSize)
	switch h.Type {
	case format.DataPage:
		data, err := c.unpack(body, limit)
		if err != nil {
			return 0, err
		}
		d := h.DataPageHeader.V
		if c.rep > 0 {
			if data, err = levels(data, d.RepetitionLevelEncoding, c.rep, int64(d.NumValues)); err != nil {
				return 0, err
			}
		}
		if c.def > 0 {
			if data, err = levels(data, d.DefinitionLevelEncoding, c.def, int64(d.NumValues)); err != nil {
				return 0, err
			}
		}
		return c.values(data, d.Encoding, int64(d.NumValues))
	case format.DataPageV2:
		d := h.DataPageHeaderV2.V
		rep, def := int(d.RepetitionLevelsByteLength), int(d.DefinitionLevelsByteLength)
		if rep < 0 || def < 0 || rep > len(body) || def > len(body)-rep {
			return 0, errors.New("the levels of a page are longer than the page")
		}
		if err := errors.Join(runs(body[:rep], c.rep, int64(d.NumValues)), runs(body[rep:rep+def], c.def, int64(d.NumValues))); err != nil {
			return 0, err
		}
		data := body[rep+def:]
		if !d.IsCompressed.Valid || d.IsCompressed.V {
			var err error
			if data, err = c.unpack(data, limit); err != nil {
				return 0, err
			}
		}
		return c.values(data, d.Encoding, int64(d.NumValues))
	case format.DictionaryPage:
		_, err := c.unpack(body, limit)
		return 0, err
	}
	return 0, nil
}

// unpack returns the content of a page; past limit it is an error. The library
// trusts the compressed bytes.
func (c *chunk) unpack(body []byte, limit int64) ([]byte, error) {
	var r io.Reader
	switch c.codec {
	case format.Uncompressed:
		return body, nil
	case format.Snappy:
		if n, err := snappy.DecodedLen(body); err != nil || int64(n) > limit {
			return nil, fmt.Errorf("a page that unpacks to %d bytes, and its header says %d: %w", n, limit, cmp.Or(err, bounded.ErrTooLarge))
		}
		return snappy.Decode(nil, body)
	case format.Lz4Raw: // the library tries larger and larger buffers
		out := make([]byte, limit)
		n, err := lz4.UncompressBlock(body, out)
		return out[:max(n, 0)], err
	case format.Gzip:
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		r = z
	case format.Brotli:
		r = brotli.NewReader(bytes.NewReader(body))
	case format.Zstd:
		if c.zstd == nil {
			c.zstd, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(128<<20))
		}
		if err := c.zstd.Reset(bytes.NewReader(body)); err != nil {
			return nil, err
		}
		r = c.zstd
	default:
		return nil, fmt.Errorf("compression %v cannot be read", c.codec)
	}
	c.buf.Reset()
	if _, err := c.buf.ReadFrom(bounded.Reader(r, limit)); err != nil {
		return nil, fmt.Errorf("a page that unpacks to more than its header says, or is broken: %w", err)
	}
	return c.buf.Bytes(), nil
}

// levels checks the levels that a page of the first version begins with, and returns
// what follows them.
func levels(data []byte, e format.Encoding, width, values int64) ([]byte, error) {
	if len(data) < 4 {
		return nil, io.ErrUnexpectedEOF
	}
	n := binary.LittleEndian.Uint32(data)
	if uint64(n) > uint64(len(data)-4) {
		return nil, io.ErrUnexpectedEOF
	}
	if e == format.BitPacked {
		return data[4+n:], nil
	}
	return data[4+n:], runs(data[4:4+n], width, values)
}

// values checks the encoded values of a page and returns the bytes that they make.
func (c *chunk) values(data []byte, e format.Encoding, values int64) (int64, error) {
	switch e {
	case format.PlainDictionary, format.RLEDictionary:
		if len(data) < 1 {
			return 0, nil
		}
		return 0, runs(data[1:], int64(data[0]), values)
	case format.RLE:
		if len(data) < 4 {
			return 0, nil
		}
		n := min(uint64(binary.LittleEndian.Uint32(data)), uint64(len(data)-4))
		return 0, runs(data[4:4+n], 1, values)
	case format.DeltaBinaryPacked, format.DeltaLengthByteArray:
		_, err := packed(data, values)
		return 0, err
	case format.DeltaByteArray:
		return c.prefixed(data, values)
	}
	return 0, nil
}

// runs checks that the runs of the hybrid encoding hold no more than the values of
// the page; the last group of eight may be padded.
func runs(data []byte, width, values int64) error {
	if width > 32 {
		return fmt.Errorf("values of %d bits", width)
	}
	total := int64(0)
	for len(data) > 0 {
		u, n := binary.Uvarint(data)
		if n <= 0 {
			return io.ErrUnexpectedEOF
		}
		data = data[n:]
		count, skip := u>>1, uint64(width+7)/8
		if count > maxPageValues {
			return fmt.Errorf("a run of %d values in a page of %d", count, values)
		}
		if u&1 != 0 {
			skip = count * uint64(width)
			count *= 8
		}
		if total += int64(count); total > values+504 {
			return fmt.Errorf("%d values in a page of %d", total, values)
		}
		data = data[min(skip, uint64(len(data))):]
	}
	return nil
}

// packed checks the header and the blocks of DELTA_BINARY_PACKED and returns what
// follows them.
func packed(data []byte, values int64) ([]byte, error) {
	var head [4]uint64
	for i := range head {
		u, n := binary.Uvarint(data)
		if n <= 0 {
			return nil, io.ErrUnexpectedEOF
		}
		head[i], data = u, data[n:]
	}
	block, minis, total := head[0], head[1], head[2]
	if block == 0 || block > 1<<16 || minis == 0 || minis > block || total > uint64(values) {
		return nil, fmt.Errorf("%d values, in blocks of %d, in a page of %d", total, block, values)
	}
	each := block / minis
	for left := int64(total) - 1; left > 0; {
		_, n := binary.Uvarint(data)
		if n <= 0 || uint64(len(data)-n) < minis {
			return nil, io.ErrUnexpectedEOF
		}
		widths := data[n : n+int(minis)]
		data = data[n+int(minis):]
		for _, w := range widths {
			if left <= 0 {
				break
			}
			if w > 64 {
				return nil, fmt.Errorf("values of %d bits", w)
			}
			data = data[min(each*uint64(w)/8, uint64(len(data))):]
			left -= int64(each)
		}
	}
	return data, nil
}

// prefixed checks DELTA_BYTE_ARRAY, in which every value may repeat the one before,
// and returns the bytes that the values have together.
func (c *chunk) prefixed(data []byte, values int64) (int64, error) {
	sum := int64(0)
	for range 2 {
		rest, err := packed(data, values)
		if err != nil {
			return 0, err
		}
		lengths, err := new(delta.BinaryPackedEncoding).DecodeInt32(nil, data[:len(data)-len(rest)])
		if err != nil {
			return 0, err
		}
		for _, n := range lengths {
			if sum += int64(n); n < 0 || sum > c.limit.Page {
				return 0, fmt.Errorf("a page whose values repeat each other to more than %s: %w", bounded.Bytes(c.limit.Page), bounded.ErrTooLarge)
			}
		}
		data = rest
	}
	return sum, nil
}
