package lora

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"ballast/bounded"
	"ballast/durable"
	"ballast/model"
	"ballast/model/tensorfile"
	"ballast/safetext"
	"ballast/value"
)

// prefix is what PEFT puts before the names of a causal language model's tensors.
const prefix = "base_model.model."

// maxConfig bounds adapter_config.json, which has a few kilobytes.
const maxConfig = bounded.MiB

// Files are the paths of the files of an adapter's directory that are read.
func Files(dir string) []string {
	return []string{filepath.Join(dir, model.AdapterConfig), filepath.Join(dir, model.AdapterWeights)}
}

// settings is what an adapter_config.json says. Targets is nil where the tensors say it.
type settings struct {
	Config
	base    string
	dropout float64
}

// ReadConfig reads what the adapter in a directory of PEFT is, without its tensors; Targets
// may be nil.
func ReadConfig(dir string) (Config, error) {
	s, err := readSettings(dir)
	return s.Config, err
}

func readSettings(dir string) (s settings, err error) {
	path := Files(dir)[0]
	data, err := bounded.ReadFile(path, maxConfig)
	if err == nil {
		s, err = parse(data)
	}
	if err != nil {
		return s, fmt.Errorf("lora: %s: %w", path, err)
	}
	return s, nil
}

// any other value of these keys changes nothing that is computed from the tensors.
var notes = []string{"auto_mapping", "inference_mode", "megatron_core", "peft_version", "qalora_group_size", "revision", "runtime_config"}

// begins are the values of init_lora_weights after which an adapter goes with the model's own
// weights. After others PEFT has changed those, too.
var begins = []any{nil, true, false, "gaussian", "eva", "orthogonal"}

// parse reads an adapter_config.json. Of a key that is not known here PEFT's values for
// "not in use" (null, false, empty) are taken, all others are refused.
func parse(data []byte) (s settings, err error) {
	v, err := value.ParseExact(data)
	if err != nil {
		return s, fmt.Errorf("not an adapter's configuration: %w", err)
	}
	d, ok := v.(*value.Dict)
	if !ok {
		return s, fmt.Errorf("not an adapter's configuration: no JSON object")
	}
	for i := range d.Len() {
		k, v := d.At(i)
		key := k.(string) // JSON has no others
		if why := s.take(key, v); why != "" {
			return s, fmt.Errorf("%s is %s: %s", safetext.Line(safetext.Brief(key, 60)), shown(v), why)
		}
	}
	switch {
	case !d.Has("peft_type"):
		return s, fmt.Errorf("key peft_type is missing")
	case s.Rank == 0:
		return s, fmt.Errorf("key r is missing: it is the rank")
	case s.Alpha == 0:
		return s, fmt.Errorf("key lora_alpha is missing")
	}
	return s, nil
}

// take takes one key over, or says why it cannot.
func (s *settings) take(key string, v any) (why string) {
	text, isText := v.(string)
	number, isNumber := float(v)
	switch key {
	case "peft_type":
		if !strings.EqualFold(text, "LORA") {
			return "only LORA is read"
		}
	case "task_type":
		if v != nil && text != "CAUSAL_LM" {
			return "only CAUSAL_LM is read"
		}
	case "r":
		if !isNumber || number != math.Trunc(number) || number < 1 || number > MaxRank {
			return fmt.Sprintf("a rank is a whole number from 1 to %d", MaxRank)
		}
		s.Rank = int(number)
	case "lora_alpha":
		if !isNumber || !(number > 0 && number <= math.MaxFloat32) {
			return "it must be above 0"
		}
		s.Alpha = number
	case "lora_dropout":
		if !isNumber && v != nil || number < 0 || number > 1 {
			return "it must lie between 0 and 1"
		}
		s.dropout = number
	case "target_modules":
		return s.target(v)
	case "base_model_name_or_path":
		if v != nil && !isText {
			return "it must be a name"
		}
		s.base = text
	case "bias":
		if v != nil && text != "none" {
			return "biases are not trained here; only none is read"
		}
	case "init_lora_weights":
		if !slices.Contains(begins, v) {
			return "that initialisation changes the model's own weights, which are not in the adapter; convert it to a plain one in peft"
		}
	default:
		if !slices.Contains(notes, key) && !off(v) {
			return "that is not computed here; only an adapter without it is read"
		}
	}
	return ""
}

// target takes the targets over: a list of names of projections, or what leaves them to the
// tensors.
func (s *settings) target(v any) (why string) {
	if v == nil || v == "all-linear" {
		return ""
	}
	list, ok := value.Sequence(v)
	if !ok || len(list) == 0 {
		return "it must be a list of projections; patterns are not read"
	}
	for _, x := range list {
		name, _ := x.(string)
		if !slices.Contains(Targets(), name) {
			return "targets are those of " + strings.Join(Targets(), ", ") + ", in all layers"
		}
		if slices.Contains(s.Targets, name) {
			return name + " stands there twice"
		}
		s.Targets = append(s.Targets, name)
	}
	return ""
}

// float is a JSON number; numbers in texts and truth values are none.
func float(v any) (float64, bool) {
	switch x := v.(type) {
	case int64:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

// off says whether a value of a key is one of those by which PEFT says that it is not in use.
func off(v any) bool {
	if d, ok := v.(*value.Dict); ok {
		return d.Len() == 0
	}
	list, ok := value.Sequence(v)
	return v == nil || v == false || ok && len(list) == 0
}

func shown(v any) string {
	switch v.(type) {
	case *value.Dict:
		return "an object"
	case *value.List:
		return "a list"
	case nil:
		return "null"
	}
	return safetext.Line(safetext.Brief(fmt.Sprintf("%v", v), 60))
}

// Read reads an adapter of a model from a directory of PEFT: adapter_config.json and
// adapter_model.safetensors. It has the targets in all layers and no other tensors.
func Read(dir string, m *model.Config) (*Adapter, error) {
	s, err := readSettings(dir)
	if err != nil {
		return nil, err
	}
	path := Files(dir)[1]
	fail := func(format string, args ...any) (*Adapter, error) {
		return nil, fmt.Errorf("lora: "+format, args...)
	}
	f, err := bounded.Open(path)
	if err != nil {
		return fail("%w; PEFT writes that file", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fail("%w", err)
	}
	entries, err := tensorfile.ReadSafetensors(f, info.Size(), path)
	if err != nil {
		return fail("%w", err)
	}
	by := map[string]*tensorfile.Entry{}
	for _, e := range entries {
		by[e.Name] = e
	}
	if s.Targets == nil {
		s.Targets = named(by)
	}
	if err := s.Check(m); err != nil {
		return fail("%s: %w", dir, err)
	}
	a := &Adapter{Config: s.Config, Base: s.base, Dropout: s.dropout, model: *m}
	var ts []*model.Tensor
	for _, spec := range a.Specs() {
		name := prefix + spec.Name
		e := by[name]
		if e == nil {
			return fail("%s: tensor %s is missing", path, name)
		}
		if delete(by, name); !slices.Equal(e.Shape, spec.Shape) {
			return fail("%s: shape %v, and a model of these sizes with rank %d wants %v: is it an adapter of this model?", e.Where, e.Shape,
				a.Rank, spec.Shape)
		}
		t := &model.Tensor{Name: spec.Name, Shape: spec.Shape, Data: make([]float32, spec.Shape[0]*spec.Shape[1])}
		if err := e.Read(t.Data); err != nil {
			return fail("%w", err)
		}
		if err := model.Finite(t, e.Where); err != nil {
			return fail("%w", err)
		}
		ts = append(ts, t)
	}
	for _, e := range entries {
		if by[e.Name] != nil {
			return fail("%s: it is none of the adapter's on %s in %d layers", e.Where, strings.Join(a.Targets, ", "), m.Layers)
		}
	}
	a.Weights = model.NewWeights(ts)
	return a, nil
}

// named are the targets that tensors' names have.
func named(by map[string]*tensorfile.Entry) (out []string) {
	for _, t := range Targets() {
		for name := range by {
			if strings.HasSuffix(name, "."+t+downName) {
				out = append(out, t)
				break
			}
		}
	}
	return out
}

// Save writes the adapter as a directory of PEFT, in float32: aside, and renamed. Nothing may
// be there but an empty folder.
func (a *Adapter) Save(dir string) error {
	err := durable.Folder(dir, func(aside string) error {
		files := Files(aside)
		if err := durable.ReplaceBytes(files[0], a.config()); err != nil {
			return err
		}
		ts := make([]tensorfile.Tensor, len(a.Weights.Tensors))
		for i, t := range a.Weights.Tensors {
			ts[i] = tensorfile.Tensor{Name: prefix + t.Name, Shape: t.Shape, Data: t.Data}
		}
		return durable.Replace(files[1], func(w io.Writer) error { return tensorfile.WriteSafetensors(w, ts, tensorfile.F32) })
	})
	if err != nil {
		return fmt.Errorf("lora: saving %s: %w", dir, err)
	}
	return nil
}

// config is the adapter_config.json: what PEFT writes, without the keys that it has its own
// values of "not in use" for.
func (a *Adapter) config() []byte {
	targets := slices.DeleteFunc(Targets(), func(t string) bool { return !slices.Contains(a.Targets, t) })
	var base any
	if a.Base != "" {
		base = a.Base
	}
	text, err := json.MarshalIndent(map[string]any{
		"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base,
		"r": a.Rank, "lora_alpha": a.Alpha, "lora_dropout": 0.0, "target_modules": targets, "bias": "none",
		"fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": true, "modules_to_save": nil,
		"rank_pattern": map[string]any{}, "alpha_pattern": map[string]any{}, "use_dora": false, "use_rslora": false,
	}, "", "  ")
	if err != nil {
		panic("lora: " + err.Error()) // numbers, texts and lists of them always marshal
	}
	return append(text, '\n')
}
