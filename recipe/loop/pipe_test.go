package loop

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/engine"
	"ballast/env"
	"ballast/env/envtest"
	"ballast/env/sim"
	"ballast/model"
	"ballast/provenance"
	"ballast/recipe"
	"ballast/task"
	"ballast/value"
)

// piped is a world in another process, one for each session: this test binary, which reads
// a call or "grade" a line and answers a line of JSON.
type piped struct{ sim.World }

type pipe struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

func (piped) Prepare(context.Context, *ballast.Task) (ballast.World, error) { return piped{}, nil }

func (piped) Open(_ context.Context, t *ballast.Task) (ballast.Session, error) {
	p := &pipe{cmd: exec.Command(os.Args[0], "-test.run=^TestPipeChild$")}
	p.cmd.Env = append(os.Environ(), "BALLAST_PIPE="+t.ID)
	p.in, _ = p.cmd.StdinPipe()
	out, _ := p.cmd.StdoutPipe()
	p.out = json.NewDecoder(out)
	return p, p.cmd.Start()
}

func (p *pipe) ask(ctx context.Context, line string, answer any) error {
	defer context.AfterFunc(ctx, func() { p.cmd.Process.Kill() })()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return err
	}
	return p.out.Decode(answer)
}

func (p *pipe) Call(ctx context.Context, c ballast.Call) (answer string, err error) {
	text, _ := json.Marshal(value.FormatCall(c)) // without line ends
	return answer, p.ask(ctx, string(text), &answer)
}

func (p *pipe) Grade(ctx context.Context, _ *ballast.Episode, _ int) (c ballast.Check, err error) {
	return c, p.ask(ctx, `"grade"`, &c)
}

func (p *pipe) Close() error { p.in.Close(); p.cmd.Process.Kill(); p.cmd.Wait(); return nil }

// office are tasks of one split; the child finds its own by name.
func office() []ballast.Task {
	tasks, err := task.Load(task.Spec{Name: "desk", Split: "train", Seed: 1, Count: 4, Categories: []string{"base"}})
	if err != nil {
		panic(err)
	}
	return tasks
}

// TestPipeChild is the other process.
func TestPipeChild(t *testing.T) {
	for _, task := range office() {
		if task.ID != os.Getenv("BALLAST_PIPE") {
			continue
		}
		s, _ := sim.NewSession(&task)
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			var line string
			json.Unmarshal(lines.Bytes(), &line)
			if line == "grade" {
				json.NewEncoder(os.Stdout).Encode(s.CloseTurn().Check())
			} else if c, err := value.ParseCall(line); err != nil {
				json.NewEncoder(os.Stdout).Encode("error: " + err.Error())
			} else {
				json.NewEncoder(os.Stdout).Encode(s.Run(c))
			}
		}
		os.Exit(0)
	}
}

// TestPipe: a world over a pipe to another process passes envtest and trains two updates,
// to the same weights as in this process.
func TestPipe(t *testing.T) {
	envtest.Test(t, piped{}, &office()[0])
	if testing.Short() {
		t.Skip("slow with a race detector: TestTrainSignals of cmd/ballast trains with one")
	}
	if got, want := trainTwo(t, &env.Table{Worlds: []env.WorldEntry{{Name: "pipe", World: piped{}}}, Users: env.Builtin.Users,
		Graders: []env.GraderEntry{{Name: sim.Sparing, New: envtest.Grader}}}), trainTwo(t, nil); got != want {
		t.Errorf("weights %s over the pipe, %s without", got, want)
	}
}

// trainTwo trains the embedded model for two updates and returns the hash of its weights.
func trainTwo(t *testing.T, table *env.Table) string {
	t.Helper()
	r, err := recipe.New("grpo")
	if err != nil {
		t.Fatal(err)
	}
	r.Phases, r.RL.Prompts, r.RL.Rollouts, r.Keep = []recipe.Phase{{RL: 2}}, 4, 8, recipe.Keep{}
	m, err := model.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	renderer := chat.Renderer{Tokenizer: m.Tokenizer, Template: chat.Compact, Format: chat.Hermes}
	ids, _ := renderer.Control()
	e, err := engine.Open(t.Context(), &r, m, ids)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	weights := func() string {
		dir := t.TempDir()
		if err := e.Learner().Save(dir); err != nil {
			t.Fatal(err)
		}
		sum, _, err := provenance.File(filepath.Join(dir, "model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	before := weights()
	run := &Run{Recipe: r, Engine: Engine{Engine: e, Renderer: renderer, Env: table}, Train: office(), Log: &memory{}}
	if _, err := run.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, eps := range run.Log.(*memory).episodes {
		for _, ep := range eps {
			if ep.Stop == ballast.StopInfra || ep.Error != "" {
				t.Errorf("update %d: %s %q", i+1, ep.Stop, ep.Error)
			}
		}
	}
	after := weights()
	if after == before {
		t.Error("nothing was learnt")
	}
	return after
}
