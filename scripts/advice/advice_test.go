package advice

import (
	"slices"
	"testing"

	"regshape/scripts/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func TestGiven(t *testing.T) {
	for text, want := range map[string]bool{
		"x is not on PATH: install it":                                 true,
		"changed by another program; run setup again":                  true,
		"no age file: give one, or restore it":                         true,
		"%s: not tried: remove those that are not yours":               true,
		"the registry is being changed":                                false,
		"write the entry: remove /x/name: permission denied":           false,
		"move the key: rename /x /y: file exists":                      false,
		"open /run: permission denied":                                 false,
		"Could not rotate the key: put the new key in place: it broke": false,
		"the running program":                                          false,
		"the store's key is missing: there is no /h/key":               false,
		"it is a directory: settings are there":                        false,
		"lstat /h/x: not a directory":                                  false,
		"the input is not valid UTF-8; nothing was stored: send UTF-8": true,
	} {
		if got := Given(text); got != want {
			t.Errorf("%q: got %t, want %t", text, got, want)
		}
	}
}

func TestMissing(t *testing.T) {
	for _, test := range []struct {
		name      string
		helper    bool
		out, errs string
		want      []string
	}{
		{name: "a hint", errs: "Error: it broke\nHint: mend it\n"},
		{name: "a hint behind the registry's words", errs: "Error: it broke\nThe registry says: no\nHint: mend it\n"},
		{name: "a text that says it", errs: "Error: no key: run 'x'\n"},
		{name: "neither", errs: "Warning: w\nError: it broke\n", want: []string{"Error: it broke"}},
		{name: "the hint of another", errs: "Error: it broke\nError: no\nHint: x\n", want: []string{"Error: it broke"}},
		{name: "an interrupt", errs: "Error: interrupted\n"},
		{name: "JSON", out: `{"status":"error","message":"it broke","hint":"mend it"}`},
		{name: "JSON without", out: `{"status":"error","message":"it broke"}`, want: []string{"it broke"}},
		{name: "rows", out: `[{"status":"verified","message":"fine"},{"status":"tls","message":"no"}]`, want: []string{"no"}},
		{name: "parts", out: `{"status":"error","message":"not all","failed":[{"message":"a","hint":"x"},{"message":"b"}]}`, want: []string{"b"}},
		{name: "findings", out: `[{"level":"ok","what":"a"},{"level":"problem","what":"b","fix":"x"},{"level":"problem","what":"c"}]`, want: []string{"c"}},
		{name: "doctor", out: "ok  a\nBAD b\n    fix: x\nBAD c\n", want: []string{"BAD c"}},
		{name: "the helper", helper: true, out: "store is locked: run 'regshape auth unlock'\n"},
		{name: "the helper without", helper: true, out: "it broke\n", want: []string{"it broke"}},
		{name: "not found", helper: true, out: "credentials not found in native keychain\n"},
	} {
		if got := Missing(test.helper, test.out, test.errs); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
