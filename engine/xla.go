package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"ballast/model/accel"
	"ballast/model/device"
	"ballast/recipe"
	learner "ballast/train/accel"
)

// half is the precision in which a sampler's weights and caches take half the memory.
const half = "bfloat16"

// xlaKind computes on a device: packages train/accel and model/accel. The policy uses the
// learner's tensors.
var xlaKind = Kind{
	Name:   "xla",
	Doc:    "an accelerator, by a PJRT plugin; build tag xla",
	Reads:  []string{"address", "options", "precision"},
	cannot: always(Mask, adapter, exact),
	check:  checkXLA,
	here: func(s *recipe.Engine) (string, error) {
		d, err := opened(backend(s))
		if err != nil {
			return "", err
		}
		return "XLA: " + d.Describe(), nil
	},
	open: openXLA,
}

// pure is the address of a device that every binary has: the same graphs in plain Go, slow,
// to try things with.
const pure = "go"

func checkXLA(r *recipe.Recipe, _ bool) error {
	var errs []error
	s := &r.Engine
	if p := s.Precision; p != "" && p != half && p != "float32" {
		errs = append(errs, fmt.Errorf("engine.precision: %q is not one of float32, %s", p, half))
	}
	if s.Address == "" {
		errs = append(errs, errors.New("engine.address: engine xla wants a PJRT plugin: its path, or the name that it is installed under, "+
			"such as cuda; docs/gpu.md says where to find one"))
	}
	if s.Address == pure && len(s.Options) > 0 {
		errs = append(errs, errors.New("engine.options: they are a PJRT plugin's, and engine.address is go"))
	}
	for _, o := range append(slices.Clone(s.Options), s.Address) {
		if strings.ContainsAny(o, ", \n") {
			errs = append(errs, fmt.Errorf("engine: %q has a comma or a blank; each option is one item of engine.options, such as [notf32, "+
				"preallocate]", o))
		}
	}
	return errors.Join(errs...)
}

// backend is the section in the words of package device.
func backend(s *recipe.Engine) string {
	if s.Address == pure {
		return pure
	}
	return strings.Join(append([]string{"xla:" + s.Address}, s.Options...), ",")
}

// devices are those that this process has opened, by their names.
var devices struct {
	sync.Mutex
	by map[string]*device.Device
}

// opened opens a device once for all engines of the process: a plugin takes memory of an
// accelerator when it opens it (all of it with option preallocate) and keeps that.
func opened(name string) (*device.Device, error) {
	devices.Lock()
	defer devices.Unlock()
	if d := devices.by[name]; d != nil {
		return d, nil
	}
	d, err := device.Open(name)
	if err != nil {
		return nil, err
	}
	if devices.by == nil {
		devices.by = map[string]*device.Device{}
	}
	devices.by[name] = d
	return d, nil
}

func openXLA(o *order) (Engine, error) {
	s := &o.recipe.Engine
	d, err := opened(backend(s))
	if err != nil {
		return nil, err
	}
	how := accel.Options{Watched: o.watch, Half: s.Precision == half}
	if !o.learns {
		p, err := accel.New(d, o.model, how)
		if err != nil {
			return nil, err
		}
		return &local{sampler: p, close: p.Close}, nil
	}
	with, err := o.options()
	if err != nil {
		return nil, err
	}
	l, err := learner.New(d, o.model, with, learner.Rows)
	if err != nil {
		return nil, err
	}
	p, err := accel.Follow(d, o.model.Config, l.Tensors(), how)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &local{sampler: p, learner: l, sync: func() error { return p.Share(l.Tensors()) },
		close: func() error { return errors.Join(p.Close(), l.Close()) }}, nil
}

// ignored says which variables of the environment once chose an engine that is not this
// one.
func ignored(s *recipe.Engine, env func(string) string) (out []string) {
	const name, precision = "GOMLX_BACKEND", "BALLAST_HALF"
	was := env(name)
	asked := device.Accelerated(was)
	here := s.On() == xlaKind.Name
	switch {
	case asked && !(here && backend(s) == was):
		_, plugin, _ := strings.Cut(was, ":")
		list := strings.Split(plugin, ",")
		options := ""
		if len(list) > 1 {
			options = fmt.Sprintf(" and engine.options=[%s]", strings.Join(list[1:], ", "))
		}
		out = append(out, fmt.Sprintf("%s=%s decides nothing; engine.kind=xla with engine.address=%s%s does", name, was, list[0], options))
	case was != "" && !asked && here && backend(s) != was:
		out = append(out, fmt.Sprintf("%s=%s decides nothing; engine.kind and engine.address do", name, was))
	}
	if env(precision) == "1" && (asked || here) && s.Precision != half {
		out = append(out, fmt.Sprintf("%s decides nothing; engine.precision=%s does", precision, half))
	}
	return out
}
