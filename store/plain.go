package store

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// plainCredential reads what nearly all payloads are: fields of this version, whose values
// are strings that nothing is escaped in. ok says whether this one is; encoding/json reads
// any other, and reads this one alike. A list of thousands would spend a quarter of its
// time there.
func plainCredential(payload []byte) (c Credential, ok bool) {
	rest := string(payload)
	for opening := `{"`; ; opening = `,"` {
		var name, value string
		name, rest, _ = cutPlain(rest, opening)
		if value, rest, ok = cutPlain(rest, `:"`); !ok || !c.set(name, value) {
			return Credential{}, false
		}
		if rest == "}" {
			return c, true
		}
	}
}

// cutPlain cuts off a string of JSON that stands for itself, and what opens it. Where
// there is none, nothing is left.
func cutPlain(s, opening string) (value, rest string, ok bool) {
	s, ok = strings.CutPrefix(s, opening)
	end := strings.IndexByte(s, '"')
	if !ok || end < 0 || strings.ContainsFunc(s[:end], isEscape) {
		return "", "", false
	}
	return s[:end], s[end+1:], true
}

// isEscape tells what JSON writes otherwise, and all that is not ASCII, since that may be
// no UTF-8.
func isEscape(r rune) bool { return r < ' ' || r == '\\' || r >= utf8.RuneSelf }

// set sets the field that JSON calls name, and says whether there is one for a string.
func (c *Credential) set(name, value string) bool {
	switch name {
	case "ServerURL":
		c.ServerURL = value
	case "Canonical":
		c.Canonical = value
	case "Username":
		c.Username = value
	case "Secret":
		c.Secret = value
	case "Kind":
		c.Kind = Kind(value)
	case "Transport":
		c.Transport = Transport(value)
	case "CAFile":
		c.CAFile = value
	case "Created":
		return c.Created.UnmarshalText([]byte(value)) == nil
	case "Updated":
		return c.Updated.UnmarshalText([]byte(value)) == nil
	case "VerifiedAt":
		return c.VerifiedAt.UnmarshalText([]byte(value)) == nil
	case "Expires":
		return c.Expires.UnmarshalText([]byte(value)) == nil
	default:
		return false
	}
	return true
}

// trimPadding cuts off the spaces that seal added.
func trimPadding(payload []byte) []byte {
	const many = "                                                                "
	for bytes.HasSuffix(payload, []byte(many)) {
		payload = payload[:len(payload)-len(many)]
	}
	return bytes.TrimRight(payload, " ")
}
