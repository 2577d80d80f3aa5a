package lora

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"ballast/bounded"
	"ballast/durable"
	"ballast/model/tensorfile"
)

// Complete writes the modules that an adapter's tensors are of into its adapter_config.json, where
// that names none: a training server may leave them out, and vLLM refuses an adapter without. All
// else stays as it is.
func Complete(dir string) error {
	files := Files(dir)
	text, err := bounded.ReadFile(files[0], maxConfig)
	if err != nil {
		return fmt.Errorf("lora: %w", err)
	}
	var config map[string]json.RawMessage
	if err := json.Unmarshal(text, &config); err != nil {
		return fmt.Errorf("lora: %s: %w", files[0], err)
	}
	if has := config["target_modules"]; config == nil || len(has) > 0 && string(has) != "null" {
		return nil
	}
	modules, err := modulesOf(files[1])
	if err != nil {
		return err
	}
	if config["target_modules"], err = json.Marshal(modules); err != nil {
		return err
	}
	if text, err = json.MarshalIndent(config, "", "  "); err != nil {
		return err
	}
	return durable.ReplaceBytes(files[0], append(text, '\n'))
}

// modulesOf are the last names of the modules that the tensors of a file adapt.
func modulesOf(path string) (out []string, err error) {
	f, err := bounded.Open(path)
	if err != nil {
		return nil, fmt.Errorf("lora: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("lora: %w", err)
	}
	entries, err := tensorfile.ReadSafetensors(f, info.Size(), path)
	if err != nil {
		return nil, fmt.Errorf("lora: %w", err)
	}
	for _, e := range entries {
		module, _, ok := strings.Cut(e.Name, ".lora_A.")
		if name := module[strings.LastIndex(module, ".")+1:]; ok && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("lora: %s: it has no tensor of an adapter", path)
	}
	slices.Sort(out)
	return out, nil
}
