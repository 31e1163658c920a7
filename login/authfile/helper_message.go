package authfile

import (
	"bytes"
	"encoding/json"
	"strings"

	"regshape/login/redact"
	"regshape/store/printable"
)

// maxMessage is what an error shows of a helper's text, in characters: four lines of a terminal,
// so that our own helper's advice behind two paths still fits.
const maxMessage = 400

// minRedacted is the shortest secret that is hidden: what is left around a shorter one
// would tell it, so then there is no text at all.
const minRedacted = 4

// message is what may be shown of a helper that failed: its error line, which the
// protocol puts on stdout, and its stderr. When stdout holds JSON, nothing is: it may be
// the credential, and stderr may repeat it.
func message(stdout, stderr []byte, secrets []string) string {
	if bytes.ContainsAny(stdout, "{[") {
		return ""
	}
	var known redact.Secrets
	for _, s := range secrets {
		if s != "" && len(s) < minRedacted {
			return ""
		}
		known.Learn(s)
		// A secret over several lines is printed line by line, too.
		known.Learn(strings.Join(strings.Fields(s), " "))
	}
	var parts []string
	for _, text := range [][]byte{stdout, stderr} {
		// Redacted before it is cut, or half a secret would be left at the end.
		if line := printable.Line(known.Redact(string(text)), maxMessage); line != "" {
			parts = append(parts, line)
		}
	}
	return strings.Join(parts, "; ")
}

// answered is the secret in the answer to a get.
func answered(stdout []byte) string {
	var creds struct{ Secret string }
	if json.NewDecoder(bytes.NewReader(stdout)).Decode(&creds) != nil {
		return ""
	}
	return creds.Secret
}
