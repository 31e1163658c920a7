// Package printable makes text from elsewhere safe to show: names of files, addresses, what
// servers and other programs say. Nothing in such a text may act on a terminal, pass for a
// line of regshape's own, or give away a password that stands in an address.
//
// [Writer] is the net below everything that is printed, [Line] and [Format] are for one
// message, [Address] for one address, [JSON] for results that programs read, and [Shell] for
// commands that are to be copied.
package printable

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Long is a limit for [Line] where a text need not be short: a terminal shows it whole, and
// no list of paths is longer.
const Long = 8000

// hidden stands for a user name and a password in an address.
const hidden = "***"

// Line puts a text on one line: no control, escape, bidirectional or zero-width characters
// (each becomes "?"), runs of white space become one blank, invalid UTF-8 becomes U+FFFD, and
// what stands before an "@" in a URL is hidden. The result has at most limit characters; a
// longer text is cut and ends in "…". A limit below 1 gives "".
func Line(s string, limit int) string { return line(redact(s), limit) }

func line(s string, limit int) string {
	if limit < 1 {
		return ""
	}
	if len(s) <= limit && isTidy(s) {
		return s
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
		// One more than the limit is enough to know that it must be cut.
		if n++; n > limit {
			break
		}
	}
	out := b.String()
	if utf8.RuneCountInString(out) <= limit {
		return out
	}
	keep := 0
	for i := range out {
		if keep == limit-1 {
			out = out[:i]
			break
		}
		keep++
	}
	return strings.TrimRight(out, " ") + "…"
}

// isTidy recognizes what line would return as it is, which nearly everything is.
func isTidy(s string) bool {
	blank := true // none at the beginning
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == ' ' && blank {
			return false
		}
		blank = s[i] == ' '
	}
	return s == "" || !blank
}

// Text is [Line] for text of several lines and any length: line ends, tabs and runs of blanks
// stay.
func Text(s string) string {
	if isPlain(s) {
		return redact(s)
	}
	var b strings.Builder
	for _, r := range redact(s) {
		switch {
		case r == '\n' || r == '\t' || unicode.IsPrint(r):
		case unicode.IsSpace(r):
			r = ' '
		default:
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}

func isPlain(s string) bool {
	for i := range len(s) {
		if (s[i] < ' ' || s[i] > '~') && s[i] != '\n' && s[i] != '\t' {
			return false
		}
	}
	return true
}

// Writer passes on what [Text] makes of each write. A write ends where a character does.
type Writer struct{ W io.Writer }

func (w Writer) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.W, Text(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Raw returns the writer below a [Writer], and any other as it is: for what is exact by
// itself, and for asking whether there is a terminal.
func Raw(w io.Writer) io.Writer {
	if safe, ok := w.(Writer); ok {
		return safe.W
	}
	return w
}

// Format is [fmt.Sprintf] with every argument that is or has a text made safe first, and put on
// one line: only the format has line ends.
func Format(format string, args ...any) string {
	safe := make([]any, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case string:
			arg = flat(v)
		case error:
			arg = flat(v.Error())
		case fmt.Stringer:
			arg = flat(v.String())
		}
		safe[i] = arg
	}
	return fmt.Sprintf(format, safe...)
}

func flat(s string) string {
	s = Text(s)
	if strings.ContainsAny(s, "\n\t") {
		s = strings.ReplaceAll(strings.ReplaceAll(s, "\n", " "), "\t", " ")
	}
	return s
}

// Name is a name that somebody else has chosen, such as a file's, within a sentence: quoted
// where it is not plainly one word.
func Name(s string) string {
	if s != "" && !strings.ContainsAny(s, " \"'`\\") && isTidy(s) {
		return s
	}
	return strconv.Quote(s)
}

// Address is one address, of whatever form, for a message. Whatever stands before its last "@"
// may be a user name and a password (RFC 3986 §3.2.1) and is hidden, before anything decides
// where the host begins: secrets hold slashes, too. The "@" of a digest does not count.
func Address(s string) string {
	if scheme, at := userinfo(s); at >= 0 {
		s = scheme + hidden + s[at:]
	}
	return line(s, Long)
}

// HasUserinfo reports whether there is something in an address that [Address] hides.
func HasUserinfo(s string) bool {
	_, at := userinfo(s)
	return at >= 0
}

// userinfo finds the "@" that ends a user name and password; -1 means that there is none.
func userinfo(s string) (scheme string, at int) {
	rest := s
	if name, after, ok := strings.Cut(s, "://"); ok && strings.Trim(name, schemeChars) == "" {
		scheme, rest = name+"://", after
	}
	at = strings.LastIndexByte(rest, '@')
	web := strings.EqualFold(scheme, "https://") || strings.EqualFold(scheme, "http://")
	if at >= 0 && !web && isDigest(rest[at+1:]) {
		at = strings.LastIndexByte(rest[:at], '@')
	}
	if at >= 0 {
		at += len(s) - len(rest)
	}
	return scheme, at
}

// isDigest recognizes the end of an image's name, "sha256:0f…".
func isDigest(s string) bool {
	sum, ok := strings.CutPrefix(s, "sha256:")
	if !ok {
		sum, ok = strings.CutPrefix(s, "sha512:")
	}
	return ok && sum != "" && strings.Trim(sum, "0123456789abcdef") == ""
}

const schemeChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-"

// schemes are those that registries are named with.
var schemes = []string{"https", "http", "docker", "oras", "oci"}

// redact hides what stands before the last "@" of every URL in a text, also where it was taken
// for a path and has lost a slash. A URL ends at white space; one behind a quotation mark goes
// on to the next one, if that is farther.
func redact(s string) string {
	i := strings.Index(s, ":/")
	if i < 0 || strings.IndexByte(s[i:], '@') < 0 {
		return s
	}
	var b strings.Builder
	for ; i >= 0; i = strings.Index(s, ":/") {
		begin := len(strings.TrimRight(s[:i], schemeChars))
		url := s[i+len(":/"):]
		if !strings.HasPrefix(url, "/") && !slices.Contains(schemes, strings.ToLower(s[begin:i])) {
			begin = i
		}
		url = strings.TrimPrefix(url, "/")
		end := strings.IndexAny(url, " \t\r\n")
		if end < 0 {
			end = len(url)
		}
		if begin > 0 && begin < i && strings.IndexByte("\"'`", s[begin-1]) >= 0 {
			end = max(end, closing(url, s[begin-1]))
		}
		b.WriteString(s[:len(s)-len(url)])
		if at := strings.LastIndexByte(url[:end], '@'); at >= 0 && begin < i {
			b.WriteString(hidden)
			url, end = url[at:], end-at
		}
		b.WriteString(url[:end])
		s = url[end:]
	}
	b.WriteString(s)
	return b.String()
}

// closing finds a quotation mark that no backslash escapes; -1 means that there is none.
func closing(s string, mark byte) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case mark:
			return i
		}
	}
	return -1
}
