package runlog

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"ballast"
	"ballast/value"
)

func episode(update, sample int) ballast.Episode {
	return ballast.Episode{
		Task: "desk/1", Group: 2, Sample: sample, Seed: 1<<63 + uint64(update), Prompt: 2,
		Tokens:  []int32{5, 6, 7, 8, 9, 10},
		Owners:  []ballast.Owner{0, 1, 3, 3, 2, 3},
		LogProb: []float32{0, 0, -0.5, -1.25, 0, -3e-7},
		Entropy: []float32{0, 0, 0.5, 0, 0, 2},
		Watch:   [][]float32{{0.5, 0}, {0.25, 1}, {1e-3, 0}},
		Turns: []ballast.Turn{
			{User: "move <it>", Steps: []ballast.Step{
				{Start: 2, End: 4, Text: "<tool_call>", Kind: ballast.KindCall, Results: []string{"ok"}, Calls: []ballast.Call{
					{Name: "mv", Args: []ballast.Arg{{Value: "a"}, {Name: "n", Value: int64(3)}, {Name: "x", Value: 1.0}, {Name: "y", Value: math.Inf(1)},
						{Name: "l", Value: value.NewList(true, nil)}}}}},
				{Start: 5, End: 6, Kind: ballast.KindPolluted, Reason: "open tag", Cut: true, Gold: true},
			}, Check: ballast.Check{Done: true, Reason: "response", Score: 0.25, Where: "Files.root"}},
			{User: ""},
		},
		Stop: ballast.StopCut, Hinted: true,
		Score: ballast.Score{Reward: float64(update) / 3, FailTurn: 1, Reason: "state", Progress: 0.5, Format: 1},
	}
}

func TestEpisodesRoundTrip(t *testing.T) {
	r := create(t)
	want := []ballast.Episode{episode(7, 0), episode(7, 1), {Task: "empty", Tokens: []int32{}, Owners: []ballast.Owner{}}}
	must(t, r.Episodes(7, want))
	l, err := Read(r.Dir())
	must(t, err)
	got := collect(t, l.Episodes(7))
	if len(got) != len(want) {
		t.Fatalf("%d episodes", len(got))
	}
	for i := range got {
		if !reflect.DeepEqual(*got[i], want[i]) {
			t.Errorf("episode %d:\n got %+v\nwant %+v", i, *got[i], want[i])
		}
	}
	if us, err := l.EpisodeUpdates(); err != nil || !reflect.DeepEqual(us, []int{7}) {
		t.Errorf("updates with episodes: %v, %v", us, err)
	}
}

func TestEpisodesThatDisagree(t *testing.T) {
	r := create(t)
	for _, breakIt := range []func(*ballast.Episode){
		func(e *ballast.Episode) { e.Owners = e.Owners[1:] },
		func(e *ballast.Episode) { e.LogProb = e.LogProb[1:] },
		func(e *ballast.Episode) { e.Entropy = e.Entropy[1:] },
		func(e *ballast.Episode) { e.Watch = e.Watch[1:] },
	} {
		e := episode(1, 0)
		breakIt(&e)
		wantErr(t, r.Episodes(1, []ballast.Episode{e}), "update 1", "desk/1")
	}
	if files, _ := os.ReadDir(filepath.Join(r.Dir(), "episodes")); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

func TestTruncatedEpisodes(t *testing.T) {
	r := create(t)
	must(t, r.Episodes(1, []ballast.Episode{episode(1, 0), episode(1, 1)}))
	path := filepath.Join(r.Dir(), "episodes", "000001.jsonl.zst")
	data, err := os.ReadFile(path)
	must(t, err)
	l, err := Read(r.Dir())
	must(t, err)
	for _, n := range []int{1, len(data) / 2, len(data) - 1} {
		must(t, os.WriteFile(path, data[:n], 0o666))
		for _, err = range l.Episodes(1) {
		}
		wantErr(t, err, "000001.jsonl.zst")
	}
}

func FuzzEpisodes(f *testing.F) {
	line, err := encodeEpisode(new(episode(1, 0)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add([]byte(`{"tokens":[1],"owners":[3,1],"turns":[{"steps":[{"span":[0,1],"calls":[{"name":"f","args":[{"text":"NaN"}]}]}]}]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := decodeEpisode(line)
		if err != nil {
			return
		}
		first, err := encodeEpisode(e)
		if err != nil {
			t.Fatalf("%+v does not encode: %v", e, err)
		}
		again, err := decodeEpisode(first)
		if err != nil {
			t.Fatalf("%s does not decode: %v", first, err)
		}
		if second, _ := encodeEpisode(again); !bytes.Equal(first, second) {
			t.Errorf("%s\nbecame\n%s", first, second)
		}
	})
}

func FuzzFiles(f *testing.F) {
	var buf bytes.Buffer
	if err := encodeEpisodes(&buf, []ballast.Episode{episode(1, 0)}); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Add([]byte("{\"update\":1,\"metrics\":{\"a\":\"NaN\"}}\n{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, err := range decodeEpisodes(bytes.NewReader(data)) {
			_ = err
		}
		for line := range bytes.Lines(data) {
			decodeUpdate(line)
		}
	})
}

// TestChecksOfEarlierVersions: a comparison with gold is read as the verdict that it was,
// with small names as in episodes and with capitals as in evaluations.
func TestChecksOfEarlierVersions(t *testing.T) {
	for line, want := range map[string]ballast.Check{
		`{}`: {},
		`{"done":true,"state":true,"response":true}`:                                    {Done: true, Passed: true, Score: 1},
		`{"done":true,"empty":true,"state":true,"response":true}`:                       {Done: true, Reason: "empty_turn"},
		`{"done":true,"where":"files.docs"}`:                                            {Done: true, Reason: "state", Where: "files.docs"},
		`{"done":true,"state":true,"where":"pay rent"}`:                                 {Done: true, Reason: "response", Where: "pay rent"},
		`{"done":true,"state":true,"response":true,"extra":2}`:                          {Done: true, Reason: "calls"},
		`{"Done":true,"Empty":false,"State":true,"Response":true,"Extra":0,"Where":""}`: {Done: true, Passed: true, Score: 1},
		`{"Done":true,"Empty":false,"State":false,"Response":true,"Extra":0}`:           {Done: true, Reason: "state"},
		`{"done":true,"passed":false,"score":0.5,"reason":"half"}`:                      {Done: true, Score: 0.5, Reason: "half"},
		`{"done":true,"passed":true,"score":1}`:                                         {Done: true, Passed: true, Score: 1},
	} {
		var c Check
		if err := json.Unmarshal([]byte(line), &c); err != nil || c.Verdict() != want {
			t.Errorf("%s: %+v %v, want %+v", line, c.Verdict(), err, want)
		}
		text, err := json.Marshal(NewCheck(want))
		var back Check
		if err != nil || json.Unmarshal(text, &back) != nil || back.Verdict() != want {
			t.Errorf("%+v comes back from %s as %+v", want, text, back.Verdict())
		}
	}
}
