package mcp

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
)

// Words splits a command line as a shell splits words: at white space, with single and double quotes and
// backslashes. Nothing is expanded and no shell runs, so that what only a shell understands is an error.
func Words(line string) (words []string, err error) {
	word, in := strings.Builder{}, false
	end := func() {
		if in {
			words = append(words, word.String())
		}
		word.Reset()
		in = false
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == ' ' || c == '\t' || c == '\n':
			end()
		case c == '\'' || c == '"':
			in = true
			if i, err = quoted(line, i, &word); err != nil {
				return nil, err
			}
		case c == '\\' && runtime.GOOS != "windows":
			if i++; i == len(line) {
				return nil, errors.New("a backslash stands at the end")
			}
			in = true
			word.WriteByte(line[i])
		case strings.IndexByte("|&;<>$`(){}*?[#", c) >= 0 && (c != '#' || !in) || c == '~' && !in:
			return nil, fmt.Errorf("%q is for a shell, and none runs; quote it, or make the command sh -c '…'", c)
		default:
			in = true
			word.WriteByte(c)
		}
	}
	if end(); len(words) == 0 {
		return nil, errors.New("there is no program in it")
	}
	return words, nil
}

// quoted reads what is in quotes from the opening one at i on, and returns where the closing one is.
func quoted(line string, i int, word *strings.Builder) (int, error) {
	quote := line[i]
	for i++; i < len(line); i++ {
		c := line[i]
		switch {
		case c == quote:
			return i, nil
		case c == '\\' && quote == '"' && i+1 < len(line) && strings.IndexByte("\\\"$`", line[i+1]) >= 0:
			i++
			word.WriteByte(line[i])
		default:
			word.WriteByte(c)
		}
	}
	return i, fmt.Errorf("a quote (%c) is not closed", quote)
}
