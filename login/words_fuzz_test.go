package login

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"regshape/login/authfile"
	"regshape/store"
)

// What is given as REGISTRY is an address or a mistake that is explained; of an image, the
// registry that is named instead is one.
func FuzzRegistryArgument(f *testing.F) {
	for _, s := range []string{
		"ghcr.io", "https://GHCR.io/v2/", "ghcr.io/ns/app:tag", "app:tag", "host:5000/app@sha256:00", "[::1]:5000/x:y", "localhost/x:1", "docker.io/library/x", "a b", "\x1b[31m", ":", "/:", "@", "x/y:z:w",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spelling string) {
		a, err := registryArg{Argument: spelling}.target("login")
		if err != nil {
			u, ok := errors.AsType[*usageError](err)
			if !ok || strings.ContainsAny(u.Error()+u.hint, "\x1b\n\r\x00") {
				t.Fatalf("%q: %q", spelling, err)
			}
			host, image := hostOfImage(spelling)
			if image && store.ParseAddress(host).Opaque() {
				t.Fatalf("%q is an image of the registry %q, which is none", spelling, host)
			}
			return
		}
		if a.Opaque() || a.Host() == "" {
			t.Fatalf("%q is taken for %q", spelling, a)
		}
		// That it is plain http is a field of the entry.
		if again := store.ParseAddress(serverURL(a)); again.Opaque() || again.Scope() != a.Scope() || !a.PlainHTTP() && again.String() != a.String() {
			t.Fatalf("%q is %q, whose URL %q is %q", spelling, a, serverURL(a), again)
		}
		if name := secretName(shown(a)); !isSubdomain(name) {
			t.Fatalf("%q would be the Secret %q", spelling, name)
		}
	})
}

// The key of a file and the address that its login is stored under mean one registry, in
// whatever spelling it comes next.
func FuzzFileAddress(f *testing.F) {
	for _, s := range []string{"https://index.docker.io/v1/", "ghcr.io/ns", "https://ghcr.io/v2/ns", "http://h:80/x", "https://index.docker.io/v1/access-token", "opaque key", "", "docker.io/library"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		for _, format := range []authfile.Format{authfile.Docker, authfile.Containers, authfile.DockercfgFormat} {
			a := fileAddress(key, format)
			if again := store.ParseAddress(a.String()); again.String() != a.String() {
				t.Fatalf("%q is stored under %q, which is %q", key, a, again)
			}
			l := importLogin{key: key, address: a}
			if stored := store.ParseAddress(l.credential().ServerURL); stored.String() != a.String() {
				t.Fatalf("%q is %q and would be stored under %q", key, a, stored)
			}
			if rank := l.rank(format); rank < 0 || rank > 2 {
				t.Fatalf("%q has rank %d", key, rank)
			}
		}
	})
}

// One line ending is not part of a password, and everything else is; what follows a line
// belongs to the next question.
func FuzzPasswordInput(f *testing.F) {
	for _, s := range []string{"secret", "", "\r", "a\nb", "\n", "a\r\r", "\x00\xff", " "} {
		f.Add(s, "rest")
	}
	f.Fuzz(func(t *testing.T, text, rest string) {
		for _, ending := range []string{"\n", "\r\n"} {
			got, err := readSecret(iotest.OneByteReader(strings.NewReader(text + ending)))
			want := text
			if ending == "\n" {
				want = strings.TrimSuffix(text, "\r")
			}
			if err == nil && got != want || err != nil && (want != "" && len(want) <= maxSecret || len(text) > 3 && strings.Contains(err.Error(), text)) {
				t.Fatalf("%q is read as %q, %v", text+ending, got, err)
			}
		}
		line := strings.ReplaceAll(text, "\n", "")
		in := strings.NewReader(line + "\n" + rest)
		got, err := readLine(in)
		left, _ := io.ReadAll(in)
		if len(line) < maxSecret && (err != nil || got != strings.TrimSuffix(line, "\r") || string(left) != rest) {
			t.Fatalf("%q is read as %q (%v), and leaves %q", line, got, err, left)
		}
	})
}

// What setup noted of an edit takes exactly that edit back, and no other text; a note that
// was damaged takes nothing back, and hurts nobody.
func FuzzSetupRecord(f *testing.F) {
	f.Add([]byte("{}"), []byte(`{"credsStore":"regshape"}`), 0)
	f.Add([]byte("aXbX"), []byte("aXcXbX"), 5)
	f.Add([]byte(""), []byte("\n"), -1)
	f.Add([]byte("aXbX"), []byte("aXcXbX"), math.MaxInt)
	f.Fuzz(func(t *testing.T, before, after []byte, offset int) {
		var x setupEdit
		x.splice(before, after)
		if got, exact := x.back(after); !exact || !bytes.Equal(got, before) {
			t.Fatalf("%q became %q, and back %q", before, after, got)
		}
		if got, exact := x.back(append(bytes.Clone(after), '.')); exact {
			t.Fatalf("an edit of %q is taken out of another text: %q", after, got)
		}
		x.Offset = offset
		if got, exact := x.back(after); exact && !bytes.Equal(got, before) {
			t.Fatalf("with offset %d %q goes back to %q", offset, after, got)
		}
	})
}

// A record of setup that is read and saved again says the same; a damaged one is an error
// that names the file.
func FuzzSetupRecordFile(f *testing.F) {
	f.Add([]byte(`{"version":1,"edits":[{"tool":"docker","file":"/c","existed":true,"before":"","after":"","offset":3,"removed":"YQ==","helper":"regshape","hosts":{"h":""}}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":1,"program":"/p","edits":null}`))
	f.Add([]byte(`[]`))
	loc, err := store.Locate(store.Options{Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		path := setupRecordFile(loc)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := loadSetupRecord(loc)
		if err != nil {
			if !strings.Contains(err.Error(), path) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if len(r.Edits) == 0 && r.Program == "" || len(r.Folders) > 0 {
			return // to save it would remove it, and folders that the text names
		}
		if err := r.save(loc); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		again, err := loadSetupRecord(loc)
		if err != nil || len(again.Edits) != len(r.Edits) || again.Program != r.Program || again.Target != r.Target {
			t.Fatalf("%q is saved as %+v (%v)", text, again, err)
		}
		for i, x := range r.Edits {
			y := again.Edits[i]
			if x.File != y.File || x.Before != y.Before || x.After != y.After || x.Offset != y.Offset || !bytes.Equal(x.Removed, y.Removed) || !bytes.Equal(x.Inserted, y.Inserted) {
				t.Fatalf("%q is saved as %+v", text, again)
			}
		}
	})
}
