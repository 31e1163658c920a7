package authfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// SyntaxError means a document that is not standard JSON or that docker would
// not load. It tells the place and never the text, which may be a secret.
type SyntaxError struct {
	Name   string // the path, or "$DOCKER_AUTH_CONFIG"
	Line   int    // from 1
	Column int    // from 1, in characters
	Reason string // what is wrong, without any text of the file
}

// Error gives the place as editors take it: "config.json:3:14: …".
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.Name, e.Line, e.Column, e.Reason)
}

// syntaxErrorAt turns an offset in bytes into a line and a column.
func syntaxErrorAt(name string, data []byte, offset int, reason string) *SyntaxError {
	offset = max(0, min(offset, len(data)))
	start := bytes.LastIndexByte(data[:offset], '\n') + 1
	return &SyntaxError{
		Name:   name,
		Line:   1 + bytes.Count(data[:start], []byte("\n")),
		Column: 1 + utf8.RuneCount(data[start:offset]),
		Reason: reason,
	}
}

// parseStandard gives the syntax tree of standard JSON. encoding/json judges
// first: hujson takes comments and trailing commas, nests without a limit, and
// quotes what it does not understand.
func parseStandard(name string, data []byte) (hujson.Value, error) {
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		offset := len(data)
		// The offset counts the bytes read, the offending one included.
		if se, ok := errors.AsType[*json.SyntaxError](err); ok {
			offset = int(se.Offset) - 1
		}
		reason := "not valid JSON"
		if offset >= 0 && offset < len(data) {
			reason = describe(data, offset)
		}
		// At the end of the text the scanner blames the last byte it has read.
		if err.Error() == "unexpected end of JSON input" {
			offset, reason = len(data), "the text ends too early"
		}
		return hujson.Value{}, syntaxErrorAt(name, data, offset, reason)
	}
	value, err := hujson.Parse(data)
	if err != nil {
		// The cause is left out: it would quote the file.
		return hujson.Value{}, syntaxErrorAt(name, data, 0, "not valid JSON")
	}
	return value, nil
}

// describe names the mistakes that people make by hand.
func describe(data []byte, offset int) string {
	before := bytes.TrimRight(data[:offset], " \t\r\n")
	switch c := data[offset]; {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return "the file begins with a byte order mark, which docker and podman refuse"
	case c == '/' || c == '#':
		return "comments are not allowed"
	case (c == '}' || c == ']') && bytes.HasSuffix(before, []byte(",")):
		return "a comma before a closing bracket"
	case c < ' ':
		return "a control character or line break inside a string"
	case len(before) > 0 && before[len(before)-1] == '}':
		return "not valid JSON: a comma, a bracket or the end is expected here"
	default:
		return "not valid JSON"
	}
}
