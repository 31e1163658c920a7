package credhelper

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/docker/docker-credential-helpers/credentials"

	"regshape/store"
)

// Whatever arrives on standard input: a login is answered to whoever names its address and
// to nobody else, a failure is one line, and what a store has acknowledged comes back to
// the byte.
func FuzzProtocol(f *testing.F) {
	const address, canary = "canary.example/team", "CANARY-5f0e"
	for _, seed := range []string{
		`{"ServerURL":"https://h.example/v2/","Username":"u","Secret":"s\ud83d\udd11\n"}`, `{"serverurl":"docker.io","Username":"<token>","Secret":""}`,
		"h.example\r\n", "canary.example/team/app", "https://CANARY.example:443/team/\n", "canary.example", "", " \n", `{"ServerURL":" "}`, "[", "\xff", "a\nb",
	} {
		f.Add([]byte(seed))
	}
	dir := f.TempDir()
	plant := func(t testing.TB) {
		t.Helper()
		code, out, _ := call(dir, "store", strings.NewReader(`{"ServerURL":"`+address+`","Username":"u","Secret":"`+canary+`"}`))
		if code != 0 {
			t.Fatalf("store of the canary: %s", out)
		}
	}
	plant(f)
	names := func(text string) bool {
		for _, lookup := range store.ParseAddress(text).Lookups() {
			if lookup.String() == address {
				return true
			}
		}
		return false
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		for _, action := range []string{"store", "get", "list", "erase", "version", string(input[:min(len(input), 8)])} {
			code, out, errOut := call(dir, action, strings.NewReader(string(input)))
			if code != 0 && code != 1 {
				t.Fatalf("%s: exit code %d", action, code)
			}
			if strings.Contains(out+errOut, canary) && (action != "get" || !names(string(input))) && !strings.Contains(string(input), canary) {
				t.Fatalf("%s of %q shows another login: %q, %q", action, input, out, errOut)
			}
			if code != 0 && (strings.Count(out, "\n") != 1 || strings.Count(errOut, "\n") > 1) {
				t.Fatalf("%s of %q fails in more than a line: %q, %q", action, input, out, errOut)
			}
			var stored credentials.Credentials
			if action != "store" || code != 0 {
				continue
			}
			if err := json.Unmarshal(input, &stored); err != nil {
				t.Fatalf("%q was stored: %v", input, err)
			}
			code, out, _ = call(dir, "get", strings.NewReader(stored.ServerURL))
			var got credentials.Credentials
			if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || got.Username != stored.Username || got.Secret != stored.Secret {
				t.Fatalf("%q was stored, and get says %d, %q", input, code, out)
			}
			if code, out, _ := call(dir, "erase", strings.NewReader(stored.ServerURL)); code != 0 {
				t.Fatalf("erase of what %q has stored: %q", input, out)
			}
			plant(t)
		}
		if names(string(input)) {
			plant(t) // erased
		}
	})
}
