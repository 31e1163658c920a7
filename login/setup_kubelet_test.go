//go:build linux

package login

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// The kubelet's file gets the entry and --undo takes it out, whatever the file looks like.
func TestSetupKubelet_undoRestoresBytes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: so does the kubelet")
	}
	const head = `"apiVersion":"kubelet.config.k8s.io/v1","kind":"CredentialProviderConfig"`
	const other = `{"name":"ecr-credential-provider","matchImages":["*.dkr.ecr.*.amazonaws.com"],"defaultCacheDuration":"12h","apiVersion":"credentialprovider.kubelet.k8s.io/v1"}`
	const own = `{"name": "regshape-credential-provider" ,"args":["x"], "matchImages":["*"]}`
	for name, c := range map[string]struct {
		text    string // "" for none
		refused string
	}{
		"no file":         {},
		"minified":        {text: `{` + head + `,"providers":[` + other + `]}`},
		"spread":          {text: "{\n    " + head + ",\n    \"providers\": [\n        " + other + "\n    ]\n}\n"},
		"CRLF":            {text: "{\r\n\t" + head + ",\r\n\t\"providers\": [\r\n\t\t" + other + "\r\n\t]\r\n}\r\n"},
		"empty list":      {text: `{` + head + `, "providers": [ ]}`},
		"own entry":       {text: `{` + head + `,"providers":[ ` + own + ` , ` + other + `]}`},
		"own entry, last": {text: `{"x":1,` + head + ",\n \"providers\":[" + other + ",\n\n" + own + "\n]}"},
		"own entry twice": {text: `{` + head + `,"providers":[` + own + `,` + own + `]}`, refused: "more than once"},
		"no list":         {text: `{` + head + `}`, refused: "not a CredentialProviderConfig"},
		"another kind":    {text: `{"kind":"KubeletConfiguration","providers":[]}`, refused: "not a CredentialProviderConfig"},
		"broken":          {text: `{"kind":`, refused: "ends too early"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newSetupHome(t)
			if c.text != "" {
				h.write("providers.json", c.text)
			}
			before := h.files()
			args := []string{"--kubelet", "--bin-dir", h.path("plugins"), "--config", h.path("providers.json")}
			if c.refused != "" {
				if code, out := h.run(args...); code != 1 || !strings.Contains(out, c.refused) || !strings.Contains(out, "Hint: ") {
					t.Errorf("exit code %d:\n%s", code, out)
				}
				h.unchanged(before)
				return
			}
			h.ok(args...)
			text, err := os.ReadFile(h.path("providers.json"))
			if err != nil {
				t.Fatal(err)
			}
			wantProviders(t, text, strings.Count(c.text, "ecr-credential-provider")+1)
			if c.text != "" { // another program rewrites it: values are put back
				var v any
				if err := json.Unmarshal(text, &v); err != nil {
					t.Fatal(err)
				}
				rewritten, _ := json.MarshalIndent(v, "", "\t") // it was just read
				h.write("providers.json", string(rewritten))
				h.ok("--kubelet", "--undo")
				if text, err = os.ReadFile(h.path("providers.json")); err != nil {
					t.Fatal(err)
				}
				if got, want := strings.Contains(string(text), "regshape"), strings.Contains(c.text, "regshape"); got != want {
					t.Errorf("undone in a file that has changed since:\n%s", text)
				}
				h.write("providers.json", c.text)
				h.ok(args...)
			}
			h.ok("--undo")
			h.unchanged(before)
		})
	}
}

func wantProviders(t *testing.T, text []byte, n int) {
	t.Helper()
	var file struct {
		Providers []struct{ Name, DefaultCacheDuration string }
	}
	if err := json.Unmarshal(text, &file); err != nil || len(file.Providers) != n {
		t.Fatalf("%v, %d providers, want %d:\n%s", err, len(file.Providers), n, text)
	}
	for _, p := range file.Providers {
		if p.Name == "regshape-credential-provider" && p.DefaultCacheDuration == "5m0s" {
			return
		}
	}
	t.Errorf("no entry for regshape:\n%s", text)
}
