package desk

import (
	"math/rand/v2"

	"ballast/task/compose"
)

// Free names are compounds of two parts, such as "tax.txt" or "ann lee". Every
// part occurs in both splits, a compound in one only: of parts i and j the
// compound belongs to test if (i+j) mod 4 is 3, else to train. A policy that
// copies names part by part can therefore play test tasks, one that has learnt
// names by heart cannot.
//
// Folders, days, tags, rooms, colors and numbers are closed lists that both
// splits share.

// kindOfName is a family of free names.
type kindOfName int

// The families.
const (
	fileName kindOfName = iota
	personName
	eventName
	itemName
	textName
	numNames
	// roomName is the sort of rooms, which are no free names.
	roomName = numNames
)

// parts are the compounds' parts: first, second, and what stands between. The
// words are short and shared between the families, for the sake of a small
// vocabulary.
var parts = [numNames]struct {
	first, second []string
	between       string
}{
	fileName: {
		[]string{"plan", "trip", "lunch", "game", "book", "song", "team", "cake", "map", "tax", "rent", "bill", "art", "math", "code", "food"},
		[]string{"txt", "csv", "pdf", "doc", "log"}, ".",
	},
	personName: {
		[]string{"ann", "bob", "cal", "dan", "eve", "fay", "gus", "ida", "jon", "kim"},
		[]string{"fox", "lee", "ray", "day", "bell", "hill", "king", "wood"}, " ",
	},
	eventName: {
		[]string{"team", "book", "art", "math", "code", "food", "game", "song", "tax", "map"},
		[]string{"lunch", "trip", "talk", "class", "walk", "party", "meet", "plan"}, " ",
	},
	itemName: {
		[]string{"red", "blue", "green", "black", "white", "pink", "gold"},
		[]string{"lamp", "cup", "hat", "bag", "pen", "box", "map", "book", "cake", "game"}, " ",
	},
	textName: {
		[]string{"bring", "buy", "pay", "get", "take", "make", "check", "print"},
		[]string{"cake", "milk", "rent", "tax", "food", "book", "map", "keys", "bill", "lunch"}, " ",
	},
}

// The closed lists.
var (
	folders = []string{"docs", "work", "old", "temp", "main", "misc", "pub"}
	days    = []string{"mon", "tue", "wed", "thu", "fri"}
	tags    = []string{"work", "home", "fun", "school"}
	rooms   = []string{"hall", "attic", "bath", "porch", "den", "loft", "shed", "barn", "cabin", "deck"}
	shades  = []string{"red", "blue", "green", "white", "pink", "gold"}
)

// pools holds the names of one split by family, made once and only read.
var pools = func() map[string]*[numNames][]string {
	m := map[string]*[numNames][]string{compose.Train: {}, compose.Test: {}}
	for k, p := range parts {
		for i, a := range p.first {
			for j, b := range p.second {
				split := compose.Train
				if (i+j)%4 == 3 {
					split = compose.Test
				}
				m[split][k] = append(m[split][k], a+p.between+b)
			}
		}
	}
	m[compose.Valid] = m[compose.Train]
	return m
}()

// deck deals names of one family without repetition.
type deck struct {
	names []string
	order []int
	next  int
}

func newDeck(rng *rand.Rand, names []string) deck {
	return deck{names: names, order: rng.Perm(len(names))}
}

// deal returns a name that was not dealt before, or "" if there is none.
func (d *deck) deal() string {
	if d.next == len(d.order) {
		return ""
	}
	d.next++
	return d.names[d.order[d.next-1]]
}
