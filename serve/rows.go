package serve

import (
	"encoding/json"
	"fmt"
	"io"
)

// Rows writes the tasks as rows of a trainer's dataset, one JSON object a line, in the columns
// that verl reads: the prompt is a system message that documents tools and calls as
// the format does, and the user's first message; extra_info names the task, as ballast_task
// does for OpenEnv's reset.
func (s *Server) Rows(w io.Writer) error {
	enc := json.NewEncoder(w)
	for i := range s.cfg.Tasks {
		id := s.cfg.Tasks[i].ID
		p, first, err := s.begin(i)
		if err != nil {
			return err
		}
		p.close()
		if first.done {
			return fmt.Errorf("serve: task %s is over before it begins: %s", id, first.broken)
		}
		message := func(role, text string) map[string]string { return map[string]string{"role": role, "content": text} }
		err = enc.Encode(map[string]any{
			"data_source": s.cfg.Name, "ability": "tools", "ballast_task": id,
			"prompt":       []any{message("system", s.cfg.Format.Instructions(first.tools)), message("user", first.user)},
			"reward_model": map[string]string{"style": "rule", "ground_truth": ""},
			"extra_info":   map[string]any{"split": s.cfg.Split, "index": i, "ballast_task": id},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
