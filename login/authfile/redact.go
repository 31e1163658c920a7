package authfile

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/tailscale/hujson"
)

// hiddenValue stands for a value that is not shown.
const hiddenValue = `"(hidden)"`

// secretParts are found in the names of members that hold secrets, now or in some
// plug-in's future: what is hidden for nothing costs a reader less than a secret
// that is shown. "auth" covers "auths" and with it every login.
var secretParts = []string{"auth", "pass", "secret", "token", "key", "cookie", "bearer", "headers", "proxies", "proxy"}

// redact returns the text with every value hidden that may be a secret. Lines stay
// lines: a JSON string holds no line break. Text that is not JSON is hidden whole.
func redact(text []byte) []byte {
	if len(bytes.TrimSpace(text)) == 0 {
		return text
	}
	value, err := parseStandard("", bytes.Clone(text))
	if err != nil {
		return []byte("(not shown: not JSON)\n")
	}
	redactValue(&value, false)
	return value.Pack()
}

func redactValue(v *hujson.Value, hide bool) {
	switch t := v.Value.(type) {
	case *hujson.Object:
		for i := range t.Members {
			m := &t.Members[i]
			name := strings.ToLower(nameOf(m))
			below := hide
			for _, part := range secretParts {
				below = below || strings.Contains(name, part)
			}
			// Names of hosts may hold such a part as well; a helper is no secret.
			if !hide && (strings.EqualFold(name, nameCredHelpers) || strings.EqualFold(name, nameCredsStore)) {
				continue
			}
			redactValue(&m.Value, below)
		}
	case *hujson.Array:
		for i := range t.Elements {
			redactValue(&t.Elements[i], hide)
		}
	case hujson.Literal:
		// Empty strings, true, false and null tell nothing and are worth seeing.
		if k := t.Kind(); hide && (k == '0' || k == '"' && len(t) > 2) {
			v.Value = hujson.Literal(hiddenValue)
		}
	}
}

// unfold spreads a text of one line over several, so that a diff shows the member
// and not the file.
func unfold(text []byte) []byte {
	var b bytes.Buffer
	if json.Indent(&b, bytes.TrimSpace(text), "", "  ") != nil {
		return text
	}
	b.WriteByte('\n')
	return b.Bytes()
}
