package registry

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable makes remote text safe for a terminal: one line, no control, escape,
// bidirectional or zero-width characters (each becomes "?"), runs of white space
// become one blank, invalid UTF-8 becomes U+FFFD. The result is valid UTF-8 of at
// most max characters; a longer text is cut and ends in "…". A max below 1 gives "".
func Printable(s string, max int) string {
	if max < 1 {
		return ""
	}
	var b strings.Builder
	n, blank := 0, false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			blank = n > 0
			continue
		case !unicode.IsPrint(r):
			// IsPrint leaves out category Cf as a whole, and with it every bidi override.
			r = '?'
		}
		if blank {
			b.WriteByte(' ')
			n++
			blank = false
		}
		b.WriteRune(r)
		// One more than max is enough to know that it must be cut.
		if n++; n > max {
			break
		}
	}
	out := b.String()
	if utf8.RuneCountInString(out) <= max {
		return out
	}
	keep := 0
	for i := range out {
		if keep == max-1 {
			out = out[:i]
			break
		}
		keep++
	}
	return strings.TrimRight(out, " ") + "…"
}
