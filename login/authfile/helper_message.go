package authfile

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"

	"regshape/store/printable"
)

// maxMessage is what an error shows of a helper's text, in characters: two lines of a terminal.
const maxMessage = 200

// message is what may be shown of a helper that failed: its error line, which the
// protocol puts on stdout, and its stderr. When stdout holds JSON, nothing is: it may be
// the credential, and stderr may repeat it.
func message(stdout, stderr []byte, secrets []string) string {
	if bytes.ContainsAny(stdout, "{[") {
		return ""
	}
	var parts []string
	for _, text := range [][]byte{stdout, stderr} {
		// Masked before it is cut, or half a secret would be left at the end.
		if line := printable.Line(mask(string(text), secrets), maxMessage); line != "" {
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

// minMasked is the shortest secret that is masked: what is left around a shorter one
// would tell it, so then there is no text at all.
const minMasked = 4

// mask replaces every secret, as it is and as it may be quoted.
func mask(text string, secrets []string) string {
	for _, s := range secrets {
		if s == "" {
			continue
		}
		if len(s) < minMasked {
			return ""
		}
		quoted, _ := json.Marshal(s) // a string always encodes
		for _, form := range []string{
			s, strings.Trim(string(quoted), `"`), url.QueryEscape(s), url.PathEscape(s),
			base64.StdEncoding.EncodeToString([]byte(s)),
			// A secret over several lines is printed line by line, too.
			strings.Join(strings.Fields(s), " "),
		} {
			if form != "" {
				text = strings.ReplaceAll(text, form, "***")
			}
		}
	}
	return text
}
