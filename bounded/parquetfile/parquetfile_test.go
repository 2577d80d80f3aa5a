package parquetfile

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"ballast/bounded"
)

type message struct {
	Role    string  `parquet:"role,dict"`
	Content *string `parquet:"content,optional"`
}

type record struct {
	Step     int64     `parquet:"step,delta"`
	Name     string    `parquet:"name,delta"`
	Path     string    `parquet:"path,dict"`
	Reward   *float64  `parquet:"reward,optional"`
	Flag     bool      `parquet:"flag"`
	Messages []message `parquet:"messages,list"`
	Hash     [4]byte   `parquet:"hash"`
}

func records(n int) []record {
	out := make([]record, n)
	for i := range out {
		r := record{Step: int64(i * i), Name: fmt.Sprintf("prefix-%06d", i), Path: fmt.Sprint("p", i/50), Flag: i%3 == 0, Hash: [4]byte{byte(i)}}
		if i%4 > 0 {
			x := float64(i) / 7
			r.Reward = &x
		}
		for j := range i % 5 {
			s := strings.Repeat("text ", i%90)
			m := message{Role: []string{"user", "assistant"}[j%2], Content: &s}
			if j == 3 {
				m.Content = nil
			}
			r.Messages = append(r.Messages, m)
		}
		out[i] = r
	}
	return out
}

func write[T any](t testing.TB, rows []T, options ...parquet.WriterOption) []byte {
	t.Helper()
	var buf bytes.Buffer
	options = append(options, parquet.DataPageStatistics(false), parquet.SkipPageBounds("text"), parquet.SkipPageBounds("items", "list", "element"))
	w := parquet.NewGenericWriter[T](&buf, options...)
	for len(rows) > 0 {
		n := min(len(rows), 400)
		_, err := w.Write(rows[:n])
		must(t, err)
		rows = rows[n:]
		must(t, w.Flush()) // a row group
	}
	must(t, w.Close())
	return buf.Bytes()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// read reads a file and returns its rows as JSON.
func read(t testing.TB, data []byte, limit Limits) (rows []string, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.parquet")
	must(t, os.WriteFile(path, data, 0o666))
	f, err := Open(path, limit)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for row, err := range f.Rows(nil) {
		if err != nil {
			return rows, err
		}
		v, err := f.Object(row)
		must(t, err)
		text, err := json.Marshal(v)
		must(t, err)
		rows = append(rows, string(text))
	}
	return rows, nil
}

// TestReadsWhatTheLibraryReads: over codecs, versions of pages and encodings the rows
// are the library's.
func TestReadsWhatTheLibraryReads(t *testing.T) {
	codecs := map[string]compress.Codec{"plain": &parquet.Uncompressed, "snappy": &parquet.Snappy, "gzip": &parquet.Gzip, "brotli": &parquet.Brotli, "zstd": &parquet.Zstd, "lz4": &parquet.Lz4Raw}
	for name, codec := range codecs {
		for version := 1; version <= 2; version++ {
			data := write(t, records(1000), parquet.Compression(codec), parquet.DataPageVersion(version), parquet.PageBufferSize(2000))
			got, err := read(t, data, Default)
			must(t, err)
			r := parquet.NewGenericReader[any](bytes.NewReader(data))
			want := make([]any, 1000)
			if n, _ := r.Read(want); n != len(got) || n != 1000 {
				t.Fatalf("%s v%d: %d rows, the library reads %d", name, version, len(got), n)
			}
			for i, w := range want {
				text, err := json.Marshal(w)
				must(t, err)
				if string(text) != got[i] {
					t.Fatalf("%s v%d: row %d: %s, the library: %s", name, version, i, got[i], text)
				}
			}
		}
	}
}

func TestColumnsThatNobodyUsesAreNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.parquet")
	must(t, os.WriteFile(path, write(t, bomb(3, 20<<20), parquet.Compression(&parquet.Zstd)), 0o666))
	f, err := Open(path, Default)
	must(t, err)
	defer f.Close()
	n := 0
	for row, err := range f.Rows(func(path []string) bool { return path[0] == "step" }) {
		must(t, err)
		if n++; len(row) != 1 || row[0].Int64() != 1 {
			t.Fatal(row)
		}
	}
	if n != 3 {
		t.Error(n, "rows")
	}
}

type bombRow struct {
	Step int64  `parquet:"step"`
	Text string `parquet:"text,dict"`
}

func bomb(rows, size int) []bombRow {
	out := make([]bombRow, rows)
	text := strings.Repeat("a", size)
	for i := range out {
		out[i] = bombRow{1, text}
	}
	return out
}

// TestBombs: small files that unpack to much are errors, soon and in little memory.
func TestBombs(t *testing.T) {
	small := Limits{Page: 8 << 20, Memory: 32 << 20, Value: 1 << 20, Row: 4 << 20, Rows: 10_000, Total: 64 << 20}
	zstd := parquet.Compression(&parquet.Zstd)
	long := strings.Repeat("a", 4<<20)
	type list struct {
		Items []string `parquet:"items,list,dict"`
	}
	type prefixed struct {
		Text string `parquet:"text,delta"`
	}
	type flag struct {
		Flag bool `parquet:"flag"`
	}
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"a long value":      {write(t, bomb(2, 4<<20), zstd), "column text: a value of 4 MiB"},
		"a long page":       {write(t, bomb(2, 60<<20), zstd), "column text: a page of 60 MiB"},
		"one text, often":   {write(t, bomb(399, 1<<19), zstd), "the rows so far"},
		"one text in a row": {write(t, []list{{Items: repeat(strings.Repeat("b", 1<<19), 300)}}, zstd), "column items.list.element: a row"},
		"repeated prefixes": {write(t, []prefixed{{long}, {long + "b"}, {long + "c"}, {long + "d"}}, zstd), "column text"},
		"many rows":         {write(t, make([]flag, 10_001), zstd), "10001 rows"},
	} {
		bound(t, name, 512<<20, func() {
			_, err := read(t, c.data, small)
			if !errors.Is(err, bounded.ErrTooLarge) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s (%d bytes): %v", name, len(c.data), err)
			}
		})
	}
}

func repeat(s string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}

// bound runs f and fails where it takes long or allocates much.
func bound(t *testing.T, name string, memory uint64, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	f()
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > memory || took > 20*time.Second {
		t.Errorf("%s: %v, %s allocated", name, took, bounded.Bytes(int64(n)))
	}
}

// TestLies: what a page and its compressed bytes claim is checked first.
func TestLies(t *testing.T) {
	huge := binary.AppendUvarint(nil, 1<<29<<1) // a run of 2^29 values
	for name, err := range map[string]error{
		"run":       runs(append(huge, 1), 1, 100),
		"many runs": runs(bytes.Repeat(binary.AppendUvarint(nil, 1000<<1), 10), 0, 100),
		"width":     runs([]byte{2, 1}, 200, 100),
		"deltas":    second(packed(binary.AppendUvarint([]byte{128, 1, 4}, 1<<40), 100)),
		"no blocks": second(packed([]byte{128, 1, 4, 50, 0}, 100)),
		"nested":    second(scan(bytes.Repeat([]byte{0x1c}, 1<<20))),
		"lists":     second(scan(bytes.Repeat([]byte{0x19, 0x19}, 1<<20))),
		"list":      second(scan([]byte{0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f, 0})),
		"text":      second(scan([]byte{0x18, 0xff, 0xff, 0xff, 0xff, 0x0f, 0})),
	} {
		if err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	body := bytes.Repeat([]byte("a"), 1<<20)
	c := chunk{limit: Default}
	for _, codec := range []compress.Codec{&parquet.Snappy, &parquet.Gzip, &parquet.Brotli, &parquet.Zstd, &parquet.Lz4Raw} {
		packed, err := codec.Encode(nil, body)
		must(t, err)
		c.codec = codec.CompressionCodec()
		if out, err := c.unpack(packed, 1<<20); err != nil || !bytes.Equal(out, body) {
			t.Errorf("%v: %d bytes, %v", codec, len(out), err)
		}
		if _, err := c.unpack(packed, 1<<20-1); err == nil {
			t.Errorf("%v: a page larger than its header says is accepted", codec)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestBrokenFiles: cut, flipped and foreign bytes are errors or other rows, never a
// panic, and never take long.
func TestBrokenFiles(t *testing.T) {
	good := write(t, records(60), parquet.Compression(&parquet.Zstd), parquet.PageBufferSize(500))
	if _, err := read(t, good, Default); err != nil {
		t.Fatal(err)
	}
	bound(t, "all", 8<<30, func() {
		for i := 0; i < len(good); i += 29 {
			if _, err := read(t, good[:i], Default); err == nil {
				t.Errorf("cut at %d is accepted", i)
			}
			bad := bytes.Clone(good)
			bad[i] ^= 1 << (i % 8)
			read(t, bad, Default)
		}
	})
	dir := t.TempDir()
	must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o666))
	if _, err := Open(filepath.Join(dir, "pipe"), Default); err == nil {
		t.Error("a pipe is accepted")
	}
}

func FuzzRead(f *testing.F) {
	f.Add(write(f, records(30)))
	f.Add(write(f, records(30), parquet.Compression(&parquet.Zstd), parquet.DataPageVersion(1)))
	f.Add(write(f, bomb(3, 100)))
	f.Fuzz(func(t *testing.T, data []byte) {
		read(t, data, Limits{1 << 20, 8 << 20, 1 << 16, 1 << 18, 1000, 1 << 22})
	})
}
