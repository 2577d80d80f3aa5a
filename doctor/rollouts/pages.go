package rollouts

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"ballast/bounded"
)

// The bounds of a parquet file, checked before the library unpacks anything: it
// trusts the sizes that a file names.
const (
	mostPage   = 256 << 20 // bytes of a page, unpacked
	mostValues = 1 << 24   // values of a page
	mostRows   = 1_000_000 // rows of a file, besides one for every byte of it
)

// checkPages walks over the headers of all pages and unpacks each page into nothing.
// It refuses files whose pages are larger than they say or than the bounds.
func checkPages(f *os.File, size int64, meta *format.FileMetaData) error {
	left := unpackedFloor + unpackedRatio*size
	for _, g := range meta.RowGroups {
		for _, c := range g.Columns {
			if err := checkChunk(f, size, &c.MetaData, &left); err != nil {
				return fmt.Errorf("column %.60s: %w", fmt.Sprint(c.MetaData.PathInSchema), err)
			}
		}
	}
	return nil
}

func checkChunk(f *os.File, size int64, c *format.ColumnMetaData, left *int64) error {
	start := c.DataPageOffset
	if d := c.DictionaryPageOffset; d > 0 && d < start {
		start = d
	}
	if start < 0 || c.TotalCompressedSize < 0 || start > size-c.TotalCompressedSize {
		return errors.New("its pages lie outside the file")
	}
	section := io.NewSectionReader(f, start, c.TotalCompressedSize)
	var protocol thrift.CompactProtocol
	br := bufio.NewReader(section)
	decoder := thrift.NewDecoder(protocol.NewReader(br))
	for {
		if _, err := br.Peek(1); err == io.EOF {
			return nil
		}
		var h format.PageHeader
		if err := decoder.Decode(&h); err != nil {
			return fmt.Errorf("a broken page header: %w", err)
		}
		plain, err := checkHeader(&h, size)
		if err != nil {
			return err
		}
		if *left -= int64(h.UncompressedPageSize); *left < 0 {
			return fmt.Errorf("%w: the file unpacks to over %d times its size", bounded.ErrTooLarge, unpackedRatio)
		}
		if err := checkPage(br, &h, plain, c.Codec); err != nil {
			return err
		}
	}
}

// checkHeader returns how many bytes of a page are not compressed.
func checkHeader(h *format.PageHeader, size int64) (plain int64, err error) {
	values := max(h.DataPageHeader.V.NumValues, h.DataPageHeaderV2.V.NumValues, h.DictionaryPageHeader.V.NumValues)
	switch {
	case h.CompressedPageSize < 0 || h.UncompressedPageSize < 0 || int64(h.CompressedPageSize) > size:
		return 0, errors.New("a page with an impossible size")
	case h.UncompressedPageSize > mostPage:
		return 0, fmt.Errorf("%w: a page of %s, at most %s are read", bounded.ErrTooLarge, bounded.Bytes(int64(h.UncompressedPageSize)), bounded.Bytes(mostPage))
	case values > mostValues:
		return 0, fmt.Errorf("%w: a page of %d values, at most %d are read", bounded.ErrTooLarge, values, mostValues)
	}
	if v := h.DataPageHeaderV2; v.Valid {
		plain = int64(v.V.RepetitionLevelsByteLength) + int64(v.V.DefinitionLevelsByteLength)
		if c := v.V.IsCompressed; c.Valid && !c.V {
			plain = int64(h.CompressedPageSize)
		}
		if plain < 0 || plain > int64(h.CompressedPageSize) {
			return 0, errors.New("a page with an impossible size")
		}
	}
	return plain, nil
}

// checkPage unpacks a page and counts.
func checkPage(br *bufio.Reader, h *format.PageHeader, plain int64, codec format.CompressionCodec) error {
	if _, err := io.CopyN(io.Discard, br, plain); err != nil {
		return errors.New("the file ends in a page")
	}
	packed := io.LimitReader(br, int64(h.CompressedPageSize)-plain)
	var r io.Reader
	switch data := bytes.NewBuffer(nil); codec {
	case format.Gzip, format.Zstd:
		if _, err := data.ReadFrom(packed); err != nil {
			return err
		}
		if data.Len() == 0 {
			return nil
		}
		if codec == format.Gzip {
			z, err := gzip.NewReader(data)
			if err != nil {
				return fmt.Errorf("a broken page: %w", err)
			}
			r = z
			break
		}
		z, err := zstd.NewReader(data, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return fmt.Errorf("a broken page: %w", err)
		}
		defer z.Close()
		r = z
	case format.Uncompressed, format.Snappy, format.Lz4Raw: // at most 255 times their size
		_, err := io.Copy(io.Discard, packed)
		return err
	default:
		return fmt.Errorf("compressed with %v: write it with zstd, gzip, snappy or none", codec)
	}
	if _, err := io.Copy(io.Discard, bounded.Reader(r, int64(h.UncompressedPageSize))); err != nil {
		return fmt.Errorf("a page that is broken or larger than it says: %w", err)
	}
	return nil
}
