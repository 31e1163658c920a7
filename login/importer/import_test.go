package importer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/scripts/testenv"
	"regshape/store"
	"regshape/store/keys"
)

// importBench is an empty store and a docker config of n logins.
func importBench(t *testing.T, ctx context.Context, n int) (*app.Env, *store.Store, string) {
	t.Helper()
	dir := t.TempDir()
	e := &app.Env{Call: app.Call{Out: new(bytes.Buffer), Err: new(bytes.Buffer), Getenv: os.Getenv}, Ctx: ctx, Now: time.Now}
	loc, err := store.Locate(store.Options{Dir: filepath.Join(dir, "store")})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(loc, keys.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	auths := map[string]any{}
	for i := range n {
		auths[fmt.Sprintf("r%05d.example", i)] = map[string]string{"username": "u", "password": fmt.Sprintf("secret%d", i)}
	}
	text, err := json.MarshalIndent(map[string]any{"auths": auths, "detachKeys": "ctrl-q"}, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "config.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return e, s, path
}

func entriesOf(t *testing.T, path string) map[string]authfile.Entry {
	t.Helper()
	d, err := authfile.Read(path, authfile.Docker)
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string]authfile.Entry{}
	for _, entry := range d.Entries() {
		entries[entry.Key] = entry
	}
	return entries
}

func TestImportOfManyLogins(t *testing.T) {
	n := 500
	if testenv.Whole() {
		n = 10_000
	}
	e, s, path := importBench(t, t.Context(), n)
	begin, calls := time.Now(), 0
	r, err := From(e, s, FileSource(lookup.Place{Tool: "docker", Path: path, Format: authfile.Docker}), Options{
		remove: true, progress: func(int, int) { calls++ },
	})
	took := time.Since(begin)
	t.Logf("%d logins moved and removed in %v", n, took)
	if err != nil || len(r.Moved) != n || r.removed != n || len(r.Failed) != 0 || len(r.left) != 0 || calls != n {
		t.Fatalf("%d moved, %d removed, failed %v, left %v, %d calls, %v", len(r.Moved), r.removed, r.Failed, r.left, calls, err)
	}
	if took > 2*time.Minute { // four times what a busy machine of 2 cores takes
		t.Errorf("took %v", took)
	}
	found, damaged, err := s.List(t.Context())
	if len(found) != n || len(damaged) != 0 || err != nil {
		t.Errorf("%d in the store, damaged %v, %v", len(found), damaged, err)
	}
	if text, _ := os.ReadFile(path); string(text) != "{\n\t\"auths\": {},\n\t\"detachKeys\": \"ctrl-q\"\n}" {
		t.Errorf("the file is %.200q", text)
	}
}

func TestImportInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e, s, path := importBench(t, ctx, 50)
	r, err := From(e, s, FileSource(lookup.Place{Tool: "docker", Path: path, Format: authfile.Docker}), Options{
		remove: true, progress: func(done, _ int) {
			if done == 20 {
				cancel()
			}
		},
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	found, _, err := s.List(t.Context())
	if err != nil || len(r.Moved) != len(found) || len(found) < 20 || len(found) >= 20+importWorkers {
		t.Errorf("%d reported moved, the store has %d, %v", len(r.Moved), len(found), err)
	}
	if n := len(entriesOf(t, path)); n != 50 || r.removed != 0 {
		t.Errorf("%d of 50 are left in the file, %d reported removed", n, r.removed)
	}
	e.Ctx = t.Context() // once more
	r, err = From(e, s, FileSource(lookup.Place{Tool: "docker", Path: path, Format: authfile.Docker}), Options{remove: true})
	if err != nil || len(r.Moved)+len(r.already) != 50 || r.removed != 50 || len(entriesOf(t, path)) != 0 {
		t.Errorf("the second run: %d moved, %d already, %d removed, %v", len(r.Moved), len(r.already), r.removed, err)
	}
}

// Somebody logs in to one registry and out of another between reading and removing.
func TestImportMeetsLogin(t *testing.T) {
	e, s, path := importBench(t, t.Context(), 4)
	r, err := From(e, s, FileSource(lookup.Place{Tool: "docker", Path: path, Format: authfile.Docker}), Options{
		remove: true, progress: func(done, total int) {
			if done != total {
				return
			}
			_, err := authfile.Update(path, authfile.Docker, 0o600, func(d *authfile.Document) error {
				d.RemoveAuth("r00001.example")
				return d.SetAuth("r00002.example", "u", "newer", false)
			})
			if err != nil {
				t.Error(err)
			}
		},
	})
	left := entriesOf(t, path)
	if err != nil || len(left) != 1 || left["r00002.example"].Secret != "newer" {
		t.Errorf("left %v, %v", left, err)
	}
	if len(r.Failed) != 1 || r.Failed[0].Registry != "r00002.example" || !strings.Contains(r.Failed[0].Message, "changed meanwhile") || r.removed != 3 {
		t.Errorf("failed %v, %d removed", r.Failed, r.removed)
	}
}

// A store that stops taking logins ends the import, and nothing is removed.
func TestImportIntoFullStore(t *testing.T) {
	e, s, path := importBench(t, t.Context(), 5)
	r, err := From(e, s, FileSource(lookup.Place{Tool: "docker", Path: path, Format: authfile.Docker}), Options{
		remove: true, progress: func(done, _ int) {
			if done == 2 {
				// Its key is gone: every write fails from here on.
				if err := os.Remove(s.Location().KeyFile()); err != nil {
					t.Error(err)
				}
			}
		},
	})
	var stored *app.StoreError
	if !errors.As(err, &stored) || !errors.Is(err, store.ErrNoKey) || len(r.Moved) < 2 || len(r.Moved) >= 2+importWorkers {
		t.Errorf("%d moved, %v", len(r.Moved), err)
	}
	if n := len(entriesOf(t, path)); n != 5 {
		t.Errorf("%d of 5 are left", n)
	}
}

func TestImportOfNothing(t *testing.T) {
	e, s, path := importBench(t, t.Context(), 0)
	missing := FileSource(lookup.Place{Tool: "docker", Path: path + ".none", Format: authfile.Docker})
	if _, err := From(e, s, missing, Options{}); !Absent(err) {
		t.Errorf("got %v", err)
	}
	if r, err := From(e, s, FileSource(lookup.Place{Tool: "docker", Path: path, Format: authfile.Docker}), Options{remove: true}); err != nil || len(r.left) != 0 {
		t.Errorf("got %v, %v", r, err)
	}
	if _, err := os.Stat(s.Location().Data); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a store was made: %v", err)
	}
}

func TestImportLoginHidesSecret(t *testing.T) {
	l := Login{Entry: authfile.Entry{Key: "r.example", Username: "u", Secret: "canary"}}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, l); strings.Contains(text, "canary") {
			t.Errorf("%s gives %s", format, text)
		}
		if text := fmt.Sprintf(format, Claim{l, "file"}); strings.Contains(text, "canary") {
			t.Errorf("%s gives %s", format, text)
		}
	}
}

// Keys of files and the address under which each is stored.
func TestImportAddresses(t *testing.T) {
	for _, c := range []struct {
		key    string
		format authfile.Format
		want   string
	}{
		{"https://index.docker.io/v1/", authfile.Docker, store.HubAddress},
		{"index.docker.io", authfile.Docker, store.HubAddress},
		{"docker.io", authfile.Containers, store.HubAddress},
		{"docker.io/library", authfile.Containers, "docker.io/library"},
		{"https://index.docker.io/v1/access-token", authfile.Docker, "https://index.docker.io/v1/access-token"},
		{"https://index.docker.io/v1//refresh-token", authfile.Docker, "https://index.docker.io/v1//refresh-token"},
		{"http://r.example:5000/v2/", authfile.Docker, "r.example:5000"},
		{"https://r.example/some/path", authfile.Docker, "r.example"},
		{"r.example/some/path", authfile.Containers, "r.example/some/path"},
		{"r.example/some/path", authfile.DockercfgFormat, "r.example"},
		{"R.Example:443", authfile.Docker, "r.example"},
		{"no such host!", authfile.Docker, "no such host!"},
	} {
		l := Login{Entry: authfile.Entry{Key: c.key}, Address: fileAddress(c.key, c.format)}
		if got := l.Address.String(); got != c.want {
			t.Errorf("%s becomes %s, want %s", c.key, got, c.want)
		}
		if got := store.ParseAddress(l.credential().ServerURL).String(); got != c.want {
			t.Errorf("%s is stored under %s, want %s", c.key, got, c.want)
		}
	}
}
