package doctor

import (
	"maps"
	"slices"

	"ballast"
	"ballast/chat/format"
)

// The choice of a format looks at so many replies, and bytes of them.
const (
	guessed      = 400
	guessedBytes = 8 << 20
)

// guess returns the tool-call format in which most replies are healthy calls, and
// how many are; Hermes where there are none. Ties go to the first by name.
func guess(list []string) (format.Format, int) {
	best, most := format.Format(format.Hermes), 0
	for _, name := range slices.Sorted(maps.Keys(format.All)) {
		f, n := format.All[name], 0
		for _, r := range list {
			if f.Parse(r, nil).Form == ballast.FormCall {
				n++
			}
		}
		if n > most {
			best, most = f, n
		}
	}
	return best, most
}
