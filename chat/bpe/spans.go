package bpe

// normalize rewrites a text before it is split.
type normalize func(string) string

// mapSpans carries byte ranges of text over to f(text) = out. A range grows where
// f joins its border with a neighbour, so that nothing of it is left out.
func mapSpans(f normalize, text, out string, spans []Span) []Span {
	mapped := make([]Span, 0, len(spans))
	at := 0
	for _, s := range spans {
		start := commonPrefix(f(text[:s.Start]), out)
		end := len(out) - commonSuffix(f(text[s.End:]), out)
		start, end = max(start, at), max(start, end, at)
		mapped = append(mapped, Span{start, end})
		at = end
	}
	return mapped
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func commonSuffix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}
