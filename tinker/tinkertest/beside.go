package tinkertest

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"ballast/bounded"
	"ballast/model/servedtest"
	"ballast/model/tensorfile"
)

// Beside starts a server that samples from this one's model beside it, and that loads its adapters
// from the folders into which their archives were unpacked: a reply is of the weights that were
// there when they were loaded. Close it.
func (s *Server) Beside(o servedtest.Options) *servedtest.Server {
	var mu sync.Mutex
	has := map[string]adapter{"": s.zero.a}
	o.Vocab = s.o.Vocab
	o.Adapter = func(path string) error {
		a, err := s.readAdapter(path)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		has[path] = a
		return nil
	}
	o.LogProbs = func(weights string, prompt []int32) []float64 {
		mu.Lock()
		a := has[weights]
		mu.Unlock()
		logits := make([]float64, s.toy.vocab)
		s.toy.row(a, s.toy.contextAt(prompt, len(prompt)), logits, make([]float64, a.rank))
		return logits
	}
	return servedtest.Start(o)
}

// readAdapter reads what archive wrote, from a folder.
func (s *Server) readAdapter(dir string) (a adapter, err error) {
	f, err := bounded.Open(filepath.Join(dir, "adapter_model.safetensors"))
	if err != nil {
		return a, fmt.Errorf("No adapter found for %s", dir) // as vLLM words it
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return a, err
	}
	list, err := tensorfile.ReadSafetensors(f, info.Size(), f.Name())
	if err != nil {
		return a, err
	}
	by := map[string]*tensorfile.Entry{}
	for _, t := range list {
		by[t.Name] = t
	}
	for j := range s.toy.order + 1 {
		t := by[tensorName(j, s.toy.order)]
		if t == nil || len(t.Shape) != 2 || t.Shape[0] != s.toy.vocab {
			return a, errors.New("its tensors are not those of an adapter of this model")
		}
		a.rank = t.Shape[1]
		data := make([]float32, t.Shape[0]*t.Shape[1])
		if err := t.Read(data); err != nil {
			return a, err
		}
		for _, x := range data {
			a.weights = append(a.weights, float64(x))
		}
	}
	return a, nil
}

// tensorName is that of an adapter's matrix in an archive: those of A by their places, then B.
func tensorName(j, order int) string {
	if j == order {
		return "base_model.model.toy.lora_B.weight"
	}
	return fmt.Sprintf("base_model.model.toy.%d.lora_A.weight", j)
}
