package registry

import (
	"fmt"
	"strings"
	"testing"
)

func TestSecretsDoNotPrint(t *testing.T) {
	for _, v := range []any{
		Token{Value: "canary"},
		&Token{Value: "canary"},
		Credential{Username: "u", Secret: "canary"},
		&Credential{Secret: "canary"},
		Result{IdentityToken: "canary"},
		&Result{IdentityToken: "canary"},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "canary") || strings.Contains(got, "63616e617279") {
				t.Errorf("%s of %T shows the secret: %s", verb, v, got)
			}
		}
	}
}
