package format

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// processor is the time that the process has used, whatever else the machine does.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestHostile bounds processor time on long replies of the worst that was thought of, at
// 4 microseconds a byte: what is linear takes a twentieth of that, and anything quadratic
// takes longer. What begins as a call of some formats meets these and hermes, which stands for the
// formats that it is foreign to: they share the search for foreign calls. BALLAST_SLOW=1 makes
// them megabytes.
func TestHostile(t *testing.T) {
	n := 1 << 14
	if os.Getenv("BALLAST_SLOW") != "" {
		n = 1 << 20
	}
	for _, unit := range []string{"<", "[", "{", "(", "a", "<|", "<|a", "<tool_call", "<tool_call>", "<tool_call>{", "[mv(", "[mv('", "'", "{\"name\":", "\\", "\"", "<think>", " ", "\n[", "9", "#", "ab", "mv(\n", "mv(", "mv(a=1) ", ":", "\":", "\"name\":\"mv\",", "mv\n", "<mv ",
		"{\"name\": \"\", \"arguments\": ", "{\"name\":" + strings.Repeat(" ", 99) + "\"arguments\"",
		"- mv(", "[x(a=", "mv{", "\n[x(", "Action: mv\n", "mv:{", "{\"a\":1}\n", "[\n", "<parameter=a>",
		"[{", "[TOOL_CALLS]", "[TOOL_CALLS][", "[TOOL_CALLS]mv[ARGS]", "[TOOL_CALLS]mv[ARGS]{}", "[ARGS]", "[TOOL_",
		deepBegin, deepCall, deepCall + "f" + deepSep + "{}" + deepCut, "<arg_key>", "<tool_call>f<arg_key>a</arg_key><arg_value>", "<|channel|>", "<|start|>",
		"<|channel|>analysis<|message|>a<|end|><|start|>assistant", "<|message|>", "to=", " <tool_call>"} {
		reply := strings.Repeat(unit, n/len(unit))
		for _, before := range []struct {
			text, of string // formats; "" for all
		}{
			{"", ""}, {"<tool_call>", ""}, {strings.Repeat(" ", n), ""}, {"[mv(a=", "hermes pythonic"},
			{"<tool_call>{\"name\": \"mv\", \"arguments\": {\"a\": ", "hermes xml glm"},
			{"[TOOL_CALLS]mv[ARGS]{", "hermes mistral mistral-v11"}, {"[TOOL_CALLS][{", "hermes mistral mistral-v11"},
			{deepBegin + deepCall + "mv" + deepSep + "{", "hermes deepseek-v3 deepseek-v3.1"},
			{"<|channel|>commentary to=functions.mv<|message|>{", "hermes harmony"},
		} {
			for name, f := range All {
				if before.of != "" && !slices.Contains(strings.Fields(before.of), name) {
					continue
				}
				start := processor(t)
				f.Parse(before.text+reply+"</tool_call>", offered)
				f.Next(State{}, before.text+reply)
				if d := processor(t) - start; d > time.Duration(n)*4*time.Microsecond {
					t.Errorf("%s: %.40q then %d bytes of %q took %v", name, before.text, n, unit, d)
				}
			}
		}
	}
}

// FuzzTime bounds the time for a text over and over behind another one: the worst that
// is found, not thought of.
func FuzzTime(f *testing.F) {
	for _, s := range hostileStrings {
		f.Add("<tool_call>", s)
		f.Add("[mv(a=", s)
	}
	f.Fuzz(func(t *testing.T, before, unit string) {
		if unit == "" || len(unit) > 64 {
			t.Skip("a short unit, many times")
		}
		reply := before + strings.Repeat(unit, (1<<15)/len(unit))
		for name, f := range All {
			start := processor(t)
			f.Parse(reply, offered)
			if d := processor(t) - start; d > 2*time.Second {
				t.Errorf("%s: %q and 32 KiB of %q took %v", name, before, unit, d)
			}
		}
	})
}

// BenchmarkParse parses replies as models write them; doctor reads gigabytes.
func BenchmarkParse(b *testing.B) {
	prose := strings.Repeat("The report is in the folder now, and the two older drafts (see list) are gone. ", 5)
	for _, c := range []struct{ name, reply string }{{"prose", prose}, {"call", "I move it.\n" + Hermes.Render(sampleCalls, nil)}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.reply)))
			for b.Loop() {
				Hermes.Parse(c.reply, offered)
			}
		})
	}
}
