// Package redact hides known secrets in text that other programs and servers have written,
// in whatever encoding they repeat them. What only looks like a secret, such as a password
// in a URL, package printable hides.
package redact

import (
	"encoding/base64"
	"encoding/hex"
	"html"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"
)

// Mark stands for what is not shown.
const Mark = "[redacted]"

// Secrets are those to be recognised. The zero value knows none; it may be used by several
// goroutines.
type Secrets struct {
	mu       sync.Mutex
	known    map[string]bool // in lower case
	shortest int             // of known
	finder   *strings.Replacer
}

// Learn has a secret recognised from now on, in upper and lower case. White space around
// it and an empty one do not count.
func (r *Secrets) Learn(secret string) {
	secret = strings.ToLower(strings.TrimSpace(secret))
	r.mu.Lock()
	defer r.mu.Unlock()
	if secret == "" || r.known[secret] {
		return
	}
	if r.known == nil {
		r.known = map[string]bool{}
	}
	if r.shortest == 0 || len(secret) < r.shortest {
		r.shortest = len(secret)
	}
	r.known[secret], r.finder = true, nil
}

// Redact returns a text that may be shown: itself without the words that hold a secret in
// whatever encoding, and nothing of it where the rest still does.
func (r *Secrets) Redact(text string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) == 0 {
		return text
	}
	if r.finder == nil {
		pairs := make([]string, 0, 2*len(r.known))
		for secret := range r.known {
			pairs = append(pairs, secret, "")
		}
		r.finder = strings.NewReplacer(pairs...)
	}
	if !r.holds(text) {
		return text
	}
	words := strings.Split(text, " ")
	for i, word := range words {
		if r.holds(word) {
			words[i] = Mark
		}
	}
	if text = strings.Join(words, " "); r.holds(text) {
		return Mark
	}
	return text
}

const (
	// maxDepth is how many encodings may lie over each other, as the base64 of
	// user:password in a URL in a JSON text does.
	maxDepth = 3
	// maxDecoded bounds the work on one text, in bytes. 64 KiB with no encoding in
	// them take a tenth. What takes more is not shown.
	maxDecoded = 8 << 20
)

// holds reports whether a text holds a secret, as it stands or after decoding.
func (r *Secrets) holds(text string) bool {
	budget := maxDecoded
	return r.holdsWithin(text, maxDepth, &budget)
}

func (r *Secrets) holdsWithin(text string, depth int, budget *int) bool {
	if *budget -= len(text); *budget < 0 {
		return true
	}
	lower := strings.ToLower(text)
	if len(r.finder.Replace(lower)) != len(lower) {
		return true
	}
	return depth > 0 && slices.ContainsFunc(decodings(text, r.shortest), func(decoded string) bool {
		return decoded != text && len(decoded) >= r.shortest && r.holdsWithin(decoded, depth-1, budget)
	})
}

// decodings gives what a text reads as in each encoding in which a server may repeat a
// secret: percent-encoding, the escapes of JSON and C, HTML's character references, base64
// and hex, each lenient, wherever it stands in the text and whatever stands around it.
// Secrets have at least so many bytes as shortest says.
func decodings(text string, shortest int) []string {
	var out []string
	if strings.Contains(text, "%") {
		out = append(out, unescape(text, '%'))
	}
	if strings.Contains(text, "+") {
		out = append(out, unescape(strings.ReplaceAll(text, "+", " "), '%'))
	}
	if strings.Contains(text, `\`) {
		out = append(out, unescape(text, '\\'))
	}
	if strings.Contains(text, "&") {
		out = append(out, html.UnescapeString(text))
	}
	// White space counts for nothing: base64 and hex are often broken into lines or groups.
	// The first characters of a run may belong to what stands before the encoded bytes.
	dense := strings.Join(strings.Fields(text), "")
	for skip := range 4 {
		out = append(out, decodeRuns(dense, isBase64, skip, shortest, func(run string) []byte {
			run = strings.NewReplacer("-", "+", "_", "/").Replace(run)
			if len(run)%4 == 1 {
				run = run[:len(run)-1]
			}
			decoded, _ := base64.RawStdEncoding.DecodeString(run)
			return decoded
		}))
	}
	for skip := range 2 {
		out = append(out, decodeRuns(dense, isHex, skip, 2*shortest, func(run string) []byte {
			decoded, _ := hex.DecodeString(run[:len(run)/2*2])
			return decoded
		}))
	}
	return out
}

// decodeRuns decodes the runs of an alphabet, each without its first characters, as far as
// they have a minimal length.
func decodeRuns(text string, alphabet func(byte) bool, skip, minimal int, decode func(string) []byte) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		from := i
		for i < len(text) && alphabet(text[i]) {
			i++
		}
		if i-from >= minimal+skip {
			out.Write(decode(text[from+skip : i]))
			out.WriteByte(0)
		}
	}
	return out.String()
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func isBase64(c byte) bool {
	return isHex(c) || 'g' <= c && c <= 'z' || 'G' <= c && c <= 'Z' || strings.IndexByte("+/-_", c) >= 0
}

// unescape replaces the escapes that a mark begins: %HH, or \uHHHH, \xHH, \" and their kin.
// What is no escape stays.
func unescape(text string, mark byte) string {
	var out strings.Builder
	for i := 0; i < len(text); {
		if text[i] != mark || i+1 == len(text) {
			out.WriteByte(text[i])
			i++
			continue
		}
		n := 0
		switch {
		case mark == '%':
			n = writeHexByte(&out, text[i+1:])
		case text[i+1] == 'x' || text[i+1] == 'X':
			if n = writeHexByte(&out, text[i+2:]); n > 0 {
				n++
			}
		case text[i+1] == 'u' || text[i+1] == 'U':
			n = writeRune(&out, text[i:])
		}
		switch {
		case n > 0:
			i += 1 + n
		case mark == '%':
			out.WriteByte(mark)
			i++
		default:
			c := text[i+1]
			if at := strings.IndexByte("ntrbf", c); at >= 0 {
				c = "\n\t\r\b\f"[at]
			}
			out.WriteByte(c)
			i += 2
		}
	}
	return out.String()
}

func writeHexByte(out *strings.Builder, digits string) (read int) {
	if len(digits) < 2 {
		return 0
	}
	n, err := strconv.ParseUint(digits[:2], 16, 8)
	if err != nil {
		return 0
	}
	out.WriteByte(byte(n))
	return 2
}

// writeRune reads \uHHHH at the beginning of text, with the second half of a surrogate pair.
// It returns how much it read after the backslash.
func writeRune(out *strings.Builder, text string) (read int) {
	unit := func(s string) (rune, bool) {
		if len(s) < 6 || s[0] != '\\' || s[1]|0x20 != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(s[2:6], 16, 16)
		return rune(n), err == nil
	}
	r, ok := unit(text)
	if !ok {
		return 0
	}
	if low, ok := unit(text[6:]); ok && utf16.IsSurrogate(r) {
		if both := utf16.DecodeRune(r, low); both != '\uFFFD' {
			out.WriteRune(both)
			return 11
		}
	}
	out.WriteRune(r)
	return 5
}
