package authfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// An edit and what takes it back, for documents that lack what it adds.
type reversible struct {
	name       string
	lacks      func(*Document) bool
	edit, undo func(*Document)
}

var reversibles = []reversible{
	{
		"credsStore",
		func(d *Document) bool { _, n := findFold(d.root, nameCredsStore); return n == 0 },
		func(d *Document) { d.SetCredsStore("regshape") },
		func(d *Document) { d.RemoveCredsStore() },
	},
	{
		"credsStore of another name",
		func(d *Document) bool { return d.CredsStore() == "desktop" || d.CredsStore() == "pass" },
		func(d *Document) { d.SetCredHelper("previous", d.CredsStore()); d.SetCredsStore("regshape") },
		func(d *Document) {
			for _, h := range d.CredHelpers() {
				if h.Host == "previous" {
					d.SetCredsStore(h.Helper)
				}
			}
			d.RemoveCredHelper("previous")
		},
	},
	{
		"credHelpers",
		func(d *Document) bool { return true },
		func(d *Document) { d.SetCredHelper("new.example", "regshape"); d.SetCredHelper("b.example", "x") },
		func(d *Document) { d.RemoveCredHelper("b.example"); d.RemoveCredHelper("new.example") },
	},
	{
		"auths",
		func(d *Document) bool { return true },
		func(d *Document) { d.SetAuth("new.example", "bob", "invented", false) },
		func(d *Document) { d.RemoveAuth("new.example") },
	},
	{
		"auths, token",
		func(d *Document) bool { return true },
		func(d *Document) { d.SetAuth("new.example/ns", "", "invented", true) },
		func(d *Document) { d.RemoveAuth("new.example/ns") },
	},
}

// texts reads the files of a pattern.
func texts(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
	}
	texts := map[string][]byte{}
	for _, path := range paths {
		if texts[path], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return texts
}

func corpus(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{"blank.json": {}, "blank-lines.json": []byte("\r\n")}
	for path, text := range texts(t, "testdata/documents/*.json") {
		all[filepath.Base(path)] = text
	}
	var huge strings.Builder
	huge.WriteString("{\n\t\"auths\": {")
	for i := range 2000 {
		fmt.Fprintf(&huge, "%s\n\t\t\"r%d.example\": {\n\t\t\t\"auth\": \"YWRhOmludmVudGVk\"\n\t\t}", strings.Repeat(",", min(i, 1)), i)
	}
	huge.WriteString("\n\t}\n}")
	all["huge.json"] = []byte(huge.String())
	return all
}

func formatOf(name string) Format {
	if strings.HasPrefix(name, "dockercfg") {
		return DockercfgFormat
	}
	return Docker
}

func parse(t *testing.T, name string, text []byte) *Document {
	t.Helper()
	d, err := Parse(name, text, formatOf(name))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCorpusRoundTrips(t *testing.T) {
	for name, text := range corpus(t) {
		d := parse(t, name, text)
		if got := d.Bytes(); !bytes.Equal(got, text) {
			t.Errorf("%s: unedited text differs:\n%q\n%q", name, got, text)
		}
		for _, e := range d.Entries() {
			if e.Err == nil && !e.Marker && !e.IdentityToken && !strings.HasPrefix(e.Secret, "invented") && e.Secret != "dev" && name != "entry-no-password.json" {
				t.Errorf("%s: %s read as %q", name, e.Key, e.Secret)
			}
		}
		if name == "huge.json" && len(d.Entries()) != 2000 {
			t.Errorf("%s: %d entries", name, len(d.Entries()))
		}
		for _, r := range reversibles {
			t.Run(name+"/"+r.name, func(t *testing.T) { checkReversible(t, name, text, r) })
		}
	}
}

func checkReversible(t *testing.T, name string, text []byte, r reversible) {
	d := parse(t, name, text)
	if !r.lacks(d) || d.format == DockercfgFormat && !strings.HasPrefix(r.name, "auths") {
		return
	}
	r.edit(d)
	edited := d.Bytes()
	if d.Err() != nil || bytes.Equal(edited, text) || !json.Valid(edited) {
		t.Fatalf("edit: %v\n%s", d.Err(), edited)
	}
	if bytes.Contains(text, []byte("\r\n")) != bytes.Contains(edited, []byte("\r\n")) ||
		bytes.Contains(text, []byte("\r\n")) && bytes.Count(edited, []byte("\n")) != bytes.Count(edited, []byte("\r\n")) {
		t.Errorf("line endings changed:\n%q", edited)
	}
	if end := len(text) - len(bytes.TrimRight(text, "\r\n \t")); !bytes.HasSuffix(edited, text[len(text)-end:]) {
		t.Errorf("the end changed: %q", edited)
	}

	keepsTheRest(t, text, edited)

	// In another run, the memory of this one is gone.
	later := parse(t, name, edited)
	r.undo(later)
	got, want := later.Bytes(), text
	_, hadAuths := findFold(parse(t, name, text).root, nameAuths)
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		want = append([]byte("{}"), text...)
		if len(text) == 0 {
			want = []byte("{}\n") // a new file ends with a line
		}
		if strings.HasPrefix(r.name, "auths") {
			want = nil // an empty "auths" stays
		}
	case name == "empty-objects.json", strings.HasPrefix(r.name, "auths") && hadAuths == 0 && d.format == Docker:
		want = nil // the documented exceptions
	}
	if want != nil && !bytes.Equal(got, want) {
		t.Errorf("undone in another run:\n%q\nwant\n%q", got, want)
	}
	r.undo(d)
	if got := d.Bytes(); !bytes.Equal(got, text) || d.Err() != nil {
		t.Errorf("undone: %v\n%q\nwant\n%q", d.Err(), got, text)
	}
}

func TestUpdate_looksLikeSiblings(t *testing.T) {
	for _, c := range []struct{ before, after string }{
		{`{}`, "{\n\t\"credsStore\": \"r\",\n\t\"credHelpers\": {\n\t\t\"h\": \"r\"\n\t},\n\t\"auths\": {\n\t\t\"k\": {\n\t\t\t\"auth\": \"YTpi\"\n\t\t}\n\t}\n}"},
		{`{"a":1}`, `{"a":1,"credsStore":"r","credHelpers":{"h":"r"},"auths":{"k":{"auth":"YTpi"}}}`},
		{`{"a": 1}`, `{"a": 1, "credsStore": "r", "credHelpers": {"h": "r"}, "auths": {"k": {"auth": "YTpi"}}}`},
		{"{\n  \"a\": 1\n}\n", "{\n  \"a\": 1,\n  \"credsStore\": \"r\",\n  \"credHelpers\": {\n    \"h\": \"r\"\n  },\n  \"auths\": {\n    \"k\": {\n      \"auth\": \"YTpi\"\n    }\n  }\n}\n"},
		{
			"{\n  \"auths\": {\n    \"k\": {\"Auth\": \"eDp5\", \"email\": \"e\", \"password\": \"p\"}\n  }}",
			"{\n  \"auths\": {\n    \"k\": {\"Auth\": \"YTpi\", \"email\": \"e\"}\n  },\n  \"credsStore\": \"r\",\n  \"credHelpers\": {\n    \"h\": \"r\"\n  }}",
		},
	} {
		d := parse(t, "c.json", []byte(c.before))
		d.SetCredsStore("r")
		d.SetCredHelper("h", "r")
		d.SetAuth("k", "a", "b", false)
		if got := string(d.Bytes()); got != c.after || d.Err() != nil {
			t.Errorf("%q (%v)\n got %q\nwant %q", c.before, d.Err(), got, c.after)
		}
		again := d.Bytes()
		d.SetCredsStore("r")
		d.SetCredHelper("h", "r")
		d.SetAuth("k", "a", "b", false)
		if !bytes.Equal(d.Bytes(), again) {
			t.Errorf("the same edit again changes the text: %q", d.Bytes())
		}
	}
}

// decoded is what a reader without regard for layout sees.
func decoded(t *testing.T, text []byte) map[string]any {
	t.Helper()
	m := map[string]any{}
	if len(bytes.TrimSpace(text)) == 0 {
		return m
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

func without(m map[string]any, names ...string) map[string]any {
	rest := map[string]any{}
	for k, v := range m {
		keep := true
		for _, name := range names {
			keep = keep && !strings.EqualFold(k, name)
		}
		if keep {
			rest[k] = v
		}
	}
	return rest
}

// keepsTheRest compares what the edits of reversibles do not own.
func keepsTheRest(t *testing.T, before, after []byte) {
	t.Helper()
	owned := []string{nameAuths, nameCredsStore, nameCredHelpers, "new.example", "new.example/ns"}
	a, b := decoded(t, before), decoded(t, after)
	if !reflect.DeepEqual(without(a, owned...), without(b, owned...)) {
		t.Errorf("members were lost:\n%s\n%s", before, after)
	}
	for k := range a {
		old, ok := a[k].(map[string]any)
		if !ok || !strings.EqualFold(k, nameAuths) && !strings.EqualFold(k, nameCredHelpers) {
			continue
		}
		now, _ := b[k].(map[string]any)
		added := []string{"new.example", "new.example/ns", "b.example", "previous"}
		for host, v := range old {
			if len(without(map[string]any{host: v}, added...)) == 1 && !reflect.DeepEqual(v, now[host]) {
				t.Errorf("%s of %s changed:\n%s\n%s", host, k, before, after)
			}
		}
	}
}
