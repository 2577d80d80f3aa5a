package bpe

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestHostileTokenizers: a tokenizer.json that asks for much is an error, at once and
// in little memory.
func TestHostileTokenizers(t *testing.T) {
	base, err := Train(func(func(string) bool) {}, 257, []string{"<|end|>"}, Qwen2)
	if err != nil {
		t.Fatal(err)
	}
	text, err := base.JSON()
	if err != nil {
		t.Fatal(err)
	}
	nested := `{"type": "Sequence", "pretokenizers": [`
	for name, change := range map[string]func(m map[string]any){
		"an id":    func(m map[string]any) { m["model"].(map[string]any)["vocab"].(map[string]any)["zz"] = 1 << 23 },
		"added id": func(m map[string]any) { m["added_tokens"].([]any)[0].(map[string]any)["id"] = 1 << 23 },
		"added content": func(m map[string]any) {
			m["added_tokens"].([]any)[0].(map[string]any)["content"] = strings.Repeat("a", 1000)
		},
		"pattern": func(m map[string]any) {
			m["pre_tokenizer"].(map[string]any)["pretokenizers"].([]any)[0].(map[string]any)["pattern"] = map[string]any{"Regex": `(\w+\s?)+$`}
		},
		"long pattern": func(m map[string]any) {
			m["pre_tokenizer"].(map[string]any)["pretokenizers"].([]any)[0].(map[string]any)["pattern"] = map[string]any{"Regex": strings.Repeat("(", 20_000)}
		},
		"nested": func(m map[string]any) {
			m["pre_tokenizer"] = json.RawMessage(strings.Repeat(nested, 3000) + strings.Repeat("]}", 3000))
		},
		"many steps": func(m map[string]any) {
			m["pre_tokenizer"] = json.RawMessage(nested + strings.Repeat(`{"type": "Digits"},`, 5000) + `{"type": "ByteLevel"}]}`)
		},
		"normalizers": func(m map[string]any) {
			m["normalizer"] = json.RawMessage(strings.Repeat(`{"type": "Sequence", "normalizers": [`, 3000) + strings.Repeat("]}", 3000))
		},
	} {
		var m map[string]any
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		change(m)
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, err = Parse(data, "tokenizer.json")
		runtime.ReadMemStats(&after)
		if took, n := time.Since(start), after.TotalAlloc-before.TotalAlloc; err == nil || took > 10*time.Second || n > 200<<20 {
			t.Errorf("%s: %.200v, %v, %d MB", name, err, took, n>>20)
		}
		if len(fmt.Sprint(err)) > 1000 {
			t.Errorf("%s: an error of %d bytes", name, len(fmt.Sprint(err)))
		}
	}
}
