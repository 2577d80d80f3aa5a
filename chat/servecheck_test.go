package chat

import "testing"

// TestCheckEveryStyle: what is written for servers renders what is trained, in every
// template and format.
func TestCheckEveryStyle(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	for _, tmpl := range Templates {
		tok := tokenizerOf(t, tmpl)
		for _, f := range Formats {
			s := Renderer{tok, tmpl, f}
			if err := CheckJinja(JinjaText(s, nil), s, nil); err != nil {
				t.Errorf("%s, %s: %v", tmpl.Name, f.Name(), err)
			}
		}
	}
}
