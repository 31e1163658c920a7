package credhelper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/docker/docker-credential-helpers/credentials"

	"regshape/store"
)

// call runs the helper with a store in dir.
func call(dir, action string, in io.Reader) (code int, out, err string) {
	var stdout, stderr bytes.Buffer
	code = Run(context.Background(), Call{
		Program: Program, Args: []string{action}, In: in, Out: &stdout, Err: &stderr, Version: "test",
		Getenv: func(name string) string { return map[string]string{"REGSHAPE_STORE": dir}[name] },
	})
	return code, stdout.String(), stderr.String()
}

func payload(t *testing.T, server, user, secret string) io.Reader {
	t.Helper()
	data, err := json.Marshal(credentials.Credentials{ServerURL: server, Username: user, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(data)
}

// A secret comes back byte for byte.
func TestSecretsAreExact(t *testing.T) {
	dir := t.TempDir()
	for _, secret := range []string{
		"", " ", "plain", "trailing newline\n", "\r\n", "a\nb", `quotes " and \ `, "<&>", "\u2028\ufffd", "tab\tnul\x00",
		"ünïcode 🔑", strings.Repeat("x", 60<<10), strings.Repeat("\n", 20<<10),
	} {
		if code, out, _ := call(dir, "store", payload(t, "h.example", "<token>", secret)); code != 0 {
			t.Fatalf("store of %.20q: %s", secret, out)
		}
		code, out, errOut := call(dir, "get", strings.NewReader("h.example\r\n"))
		var c credentials.Credentials
		if err := json.Unmarshal([]byte(out), &c); err != nil || code != 0 || errOut != "" {
			t.Fatalf("get: %d, %v, %q", code, err, errOut)
		}
		if want := (credentials.Credentials{ServerURL: "h.example", Username: "<token>", Secret: secret}); c != want {
			t.Errorf("stored %.40q, got %.40q", secret, c.Secret)
		}
	}
}

func TestInputLimit(t *testing.T) {
	dir := t.TempDir()
	code, out, _ := call(dir, "store", payload(t, "h.example", "u", strings.Repeat("x", 64<<10)))
	if code != 1 || out != errTooLong.Error()+"\n" {
		t.Errorf("store: %d, %q", code, out)
	}
	endless := io.MultiReader(strings.NewReader("h"), zeros{})
	if code, out, errOut := call(dir, "get", endless); code != 1 || out != errTooLong.Error()+"\n" || errOut != out {
		t.Errorf("get: %d, %q, %q", code, out, errOut)
	}
	if code, out, _ := call(dir, "list", iotest.ErrReader(errors.New("canary"))); code != 0 || out != "{}\n" {
		t.Errorf("list, which reads nothing: %d, %q", code, out)
	}
	if code, out, _ := call(dir, "erase", iotest.ErrReader(errors.New("canary"))); code != 1 || out != "standard input could not be read: try again\n" {
		t.Errorf("erase with an unreadable input: %d, %q", code, out)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestNamed(t *testing.T) {
	for argv0, want := range map[string]string{
		"docker-credential-regshape":               "docker-credential-regshape",
		"/usr/bin/docker-credential-regshape":      "docker-credential-regshape",
		"docker-credential-regshape.exe":           "docker-credential-regshape",
		"docker-credential-regshape.EXE":           "docker-credential-regshape",
		"./docker-credential-regshape-work":        "docker-credential-regshape-work",
		"docker-credential-regshape-a.b":           "docker-credential-regshape-a.b",
		"regshape":                                 "",
		"docker-credential-regshaped":              "",
		"/docker-credential-regshape/bin/regshape": "",
	} {
		program, helper := Named(argv0, Program)
		if helper != (want != "") || helper && program != want {
			t.Errorf("Named(%q) = %q, %v", argv0, program, helper)
		}
	}
}

func TestCheckPayload(t *testing.T) {
	for in, want := range map[string]error{
		`{"ServerURL":"h","Username":"u","Secret":"\ud83d\udd11"}`: nil,
		`{"Secret":"\\ud800"}`:      nil,
		`{"Secret":"\\\\ud800"}`:    nil,
		`{"Secret":"\ufffd"}`:       nil,
		`{"Secret":"\ud800"}`:       errNotUTF8,
		`{"Secret":"\udc00\ud800"}`: errNotUTF8,
		`{"Secret":"\ud800\u0041"}`: errNotUTF8,
		`{"Secret":"\\\ud800x"}`:    errNotUTF8,
		"{\"Secret\":\"\xff\"}":     errNotUTF8,
		`{"Secret":"\ud8`:           errNotPayload,
		`[]`:                        errNotPayload,
		`{"Secret":1}`:              errNotPayload,
		``:                          errNotPayload,
		`{} {}`:                     errNotPayload,
		`{"Secret":"` + "\n" + `"}`: errNotPayload,
	} {
		if err := checkPayload([]byte(in)); !errors.Is(err, want) {
			t.Errorf("checkPayload(%q) = %v, want %v", in, err, want)
		}
	}
}

// What is accepted is decoded without being mended.
func FuzzCheckPayload(f *testing.F) {
	f.Add([]byte(`{"ServerURL":"h","Username":"u","Secret":"\ud83d\udd11\\\" \n"}`))
	f.Add([]byte(`{"Secret":"\ud800\\udc00"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if checkPayload(data) != nil {
			return
		}
		var c credentials.Credentials
		if err := json.Unmarshal(data, &c); err != nil {
			t.Fatal(err)
		}
		literal := bytes.Contains(data, []byte("\ufffd")) || bytes.Contains(bytes.ToLower(data), []byte(`\ufffd`))
		if strings.ContainsRune(c.ServerURL+c.Username+c.Secret, '\ufffd') && !literal {
			t.Fatalf("%q was mended into %q", data, c)
		}
	})
}

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

// benchStore has one credential.
func benchStore(b *testing.B) (dir string) {
	b.Helper()
	dir = b.TempDir()
	in := `{"ServerURL":"registry.example.com","Username":"bench","Secret":"correct horse battery staple"}`
	if code, out, _ := call(dir, credentials.ActionStore, strings.NewReader(in)); code != 0 {
		b.Fatal(out)
	}
	return dir
}

// A whole call but for the process around it.
func BenchmarkGet(b *testing.B) {
	dir := benchStore(b)
	b.ReportAllocs()
	for b.Loop() {
		code, out, _ := call(dir, credentials.ActionGet, strings.NewReader("registry.example.com\n"))
		if code != 0 || !strings.Contains(out, `"Username":"bench"`) {
			b.Fatalf("%d, %d bytes of output", code, len(out))
		}
	}
}

func BenchmarkGetMissing(b *testing.B) {
	dir := benchStore(b)
	b.ReportAllocs()
	for b.Loop() {
		code, out, _ := call(dir, credentials.ActionGet, strings.NewReader("nowhere.example.com\n"))
		if code != 1 || !credentials.IsErrCredentialsNotFoundMessage(out) {
			b.Fatalf("%d, %d bytes of output", code, len(out))
		}
	}
}
