package drawn

import (
	"hash/fnv"
	"math/rand/v2"
	"strings"

	"ballast/task/compose"
)

// Every word that carries meaning belongs to one split, by a hash of the word: what a test
// task speaks of occurs in no training task. Words are invented, of syllables that all splits
// share, or real.

// splitOf returns the split of a word: seven in ten are for training, one to validate, two to test.
func splitOf(word string) string {
	h := fnv.New32a()
	h.Write([]byte(word))
	switch n := h.Sum32() >> 8 % 10; {
	case n < 7:
		return compose.Train
	case n < 8:
		return compose.Valid
	}
	return compose.Test
}

// syllables make invented words.
var syllables = strings.Fields(`ba bel bin bor bru da dal den dor dra fa fel fin for fru ga gal gen gor gri ha hel him hol hur
	ka kam kel kin kor la lam len lin lor ma mal mer min mor na nal nel nim nor pa pel pin pol pra ra ral ren rim rol sa sel
	sim sol sta ta tal ten tim tor tra va vel vin vol vur wa wel wim wol za zel zim zol zu`)

// The letters of words that are made of letters.
var (
	consonants = strings.Fields(`b c d f g h j k l m n p q r s t v w x y z ch ck cr ft gh ld mp nd ng nk nt pl pr
		qu rd rk rs rt sc sh sk sp ss st th wr`)
	vowels = strings.Fields("a e i o u y ai au ea ee ei ie io oa oi oo ou ue")
)

// The real words. Those of a list are drawn from where a meaning of that kind is wanted.
var (
	// nouns name kinds of entities.
	nouns = strings.Fields(`robot ship horse farm tower engine clinic garden bridge museum planet camera ticket parcel bottle
		wagon island statue violin basket mirror ladder candle carpet hammer kettle lantern magnet needle orchard palace
		pillow rocket saddle tractor tunnel valley window anchor balloon beacon cabin canal castle cellar circus cottage
		drum fountain harbor hotel jacket jungle kitchen market meadow mill oven piano prison puppet river school sensor
		stable station studio temple theater truck village well whale wolf yacht drone server sample patient student
		player book recipe account project machine pump valve tree dog`)
	// amounts name fields that hold integers.
	amounts = strings.Fields(`weight height price speed depth age score length width volume rating budget distance load power
		size rank charge cost debt dose energy fee floor gain heat income mass output pressure profit rate rent salary
		stock strength supply tax time traffic wage wear yield capacity duration range limit`)
	// choices name fields that hold one of a few words, or the name of another entity.
	choices = strings.Fields(`color mood state shape style class type mode grade phase status season flavor finish label brand
		region climate fabric pattern layout theme tone sort order group role stage tier format source branch owner keeper
		home maker guide leader partner driver sponsor tenant author buyer seller host pilot tutor`)
	// terms are the words that such fields choose from.
	terms = strings.Fields(`calm wild red blue green dark bright open closed soft hard warm cold dry wet old fast slow loud
		quiet round flat sharp plain rare common heavy light early late high low north south east west spring summer autumn
		winter clean dirty full empty active idle busy free broken fixed sweet sour salty bitter gold silver iron copper wood
		stone glass paper silk cotton wool linen large small tiny huge young strong weak rough smooth thick thin broad narrow`)
)

// grammar are the words that all splits share: those of sentences, of documentation, of the
// world's configuration and of answers.
var grammar = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(`a about add again all amount and another api are away by call change count create delete details do does done drop each
		field fields find for get give given go good grow has have highest how i id increase info integer is it item its kind kinds know
		largest least let level like list look lowest make many me more most much name named new no none number of one op plus
		raise read register remove run search set show smallest some string sum take takes target tell that the there things to
		tool tools total try up update value want what which who with`) {
		m[w] = true
	}
	return m
}()

// words deals words of one split without repetition.
type words struct {
	rng   *rand.Rand
	split string
	used  map[string]bool
}

// invented makes a word: of two or three syllables, or of letters as they come, so that who
// copies must be able to copy any word.
func (w *words) invented() string {
	for {
		word, n := "", 2
		if w.rng.IntN(5) == 0 {
			n = 3
		}
		if w.rng.IntN(6) == 0 {
			for range n {
				word += pick(w.rng, consonants) + pick(w.rng, vowels)
			}
			word += pick(w.rng, consonants)
		} else {
			for range n {
				word += pick(w.rng, syllables)
			}
		}
		if splitOf(word) == w.split && !w.used[word] && !grammar[word] {
			w.used[word] = true
			return word
		}
	}
}

// real deals a word of the list, an invented one where the list has none left.
func (w *words) real(list []string) string {
	for range 4 * len(list) {
		if word := pick(w.rng, list); splitOf(word) == w.split && !w.used[word] {
			w.used[word] = true
			return word
		}
	}
	return w.invented()
}

// either deals a real word in two cases of five.
func (w *words) either(list []string) string {
	if w.rng.IntN(5) < 2 {
		return w.real(list)
	}
	return w.invented()
}

func pick[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }
