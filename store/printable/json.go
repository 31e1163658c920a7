package printable

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON encodes a value on one line that a terminal can be shown: what does not print is
// escaped, so that strings parse to what they were, and URLs in them are redacted as by
// [Line]. A string that equals one of exact, which are secrets somebody asked for, stays.
func JSON(v any, exact ...string) ([]byte, error) {
	text, err := encode(v)
	if err != nil || isPlain(string(text)) && !bytes.Contains(text, []byte(":/")) {
		return text, err
	}
	var b bytes.Buffer
	for len(text) > 0 {
		begin := bytes.IndexByte(text, '"')
		if begin < 0 {
			break
		}
		end := begin + 1 + closing(string(text[begin+1:]), '"') + 1
		b.Write(text[:begin])
		literal, err := showString(text[begin:end], exact)
		if err != nil {
			return nil, err
		}
		b.Write(literal)
		text = text[end:]
	}
	b.Write(text)
	return b.Bytes(), nil
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return b.Bytes(), err
}

func showString(literal []byte, exact []string) ([]byte, error) {
	if bytes.Contains(literal, []byte(":/")) {
		var s string
		if err := json.Unmarshal(literal, &s); err != nil {
			return nil, err
		}
		if safe := redact(s); safe != s && !slices.Contains(exact, s) {
			text, err := encode(safe)
			if err != nil {
				return nil, err
			}
			literal = bytes.TrimSuffix(text, []byte("\n"))
		}
	}
	return EscapeJSON(literal), nil
}

// EscapeJSON escapes what does not print in a JSON text. Its value stays the same.
func EscapeJSON(text []byte) []byte {
	if isPlain(string(text)) {
		return text
	}
	out := make([]byte, 0, len(text)+16)
	for _, r := range string(text) {
		switch {
		case r == '\n' || r == '\t' || unicode.IsPrint(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = appendEscape(appendEscape(out, high), low)
		default:
			out = appendEscape(out, r)
		}
	}
	return out
}

func appendEscape(out []byte, r rune) []byte {
	hex := strconv.FormatInt(int64(r), 16)
	return append(append(append(out, `\u`...), strings.Repeat("0", 4-len(hex))...), hex...)
}
