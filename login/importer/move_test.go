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
	"runtime"
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

func TestFrom_manyLogins(t *testing.T) {
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
		t.Fatalf("got %d moved, %d removed, failed %v, left %v, %d calls of progress, %v; want all %d moved and removed", len(r.Moved), r.removed, r.Failed, r.left, calls, err, n)
	}
	if took > 2*time.Minute { // four times what a busy machine of 2 cores takes
		t.Errorf("it took %v, want at most 2 minutes", took)
	}
	found, damaged, err := s.List(t.Context())
	if len(found) != n || len(damaged) != 0 || err != nil {
		t.Errorf("the store has %d logins, damaged %v, %v; want %d", len(found), damaged, err, n)
	}
	if text, _ := os.ReadFile(path); string(text) != "{\n\t\"auths\": {},\n\t\"detachKeys\": \"ctrl-q\"\n}" {
		t.Errorf("the file is %.200q, want no logins and the rest as before", text)
	}
}

func TestFrom_interrupted(t *testing.T) {
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
		t.Fatalf("From = %v, want the context's error", err)
	}
	found, _, err := s.List(t.Context())
	if err != nil || len(r.Moved) != len(found) || len(found) < 20 || len(found) >= 20+importWorkers {
		t.Errorf("%d reported moved, the store has %d, %v; want the same 20 to 23", len(r.Moved), len(found), err)
	}
	if n := len(entriesOf(t, path)); n != 50 || r.removed != 0 {
		t.Errorf("%d of 50 are left in the file, %d reported removed; want all left", n, r.removed)
	}
	e.Ctx = t.Context() // once more
	r, err = From(e, s, FileSource(lookup.Place{Tool: "docker", Path: path, Format: authfile.Docker}), Options{remove: true})
	if err != nil || len(r.Moved)+len(r.already) != 50 || r.removed != 50 || len(entriesOf(t, path)) != 0 {
		t.Errorf("second run: %d moved, %d already, %d removed, %v; want all 50 removed", len(r.Moved), len(r.already), r.removed, err)
	}
}

// Somebody logs in to one registry and out of another between reading and removing.
func TestFrom_fileChangedMeanwhile(t *testing.T) {
	e, s, path := importBench(t, t.Context(), 4)
	r, err := From(e, s, FileSource(lookup.Place{Tool: "docker", Path: path, Format: authfile.Docker}), Options{
		remove: true, progress: func(done, total int) {
			if done != total {
				return
			}
			_, err := authfile.Update(path, authfile.Docker, 0o600, func(d *authfile.Document) error {
				d.RemoveAuth("r00001.example")
				d.SetAuth("r00002.example", "u", "newer", false)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		},
	})
	left := entriesOf(t, path)
	if err != nil || len(left) != 1 || left["r00002.example"].Secret != "newer" {
		t.Errorf("the file has %v, %v; want only the newer login of r00002.example", left, err)
	}
	if len(r.Failed) != 1 || r.Failed[0].Registry != "r00002.example" || !strings.Contains(r.Failed[0].Message, "changed meanwhile") || r.removed != 3 {
		t.Errorf("failed %v, %d removed; want r00002.example failed and 3 removed", r.Failed, r.removed)
	}
}

// A store that stops taking logins ends the import, and nothing is removed.
func TestFrom_storeFails(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the key is in no file here")
	}
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
		t.Errorf("%d moved, %v; want 2 and those under way, and ErrNoKey", len(r.Moved), err)
	}
	if n := len(entriesOf(t, path)); n != 5 {
		t.Errorf("%d of 5 are left in the file, want all", n)
	}
}

func TestFrom_nothing(t *testing.T) {
	e, s, path := importBench(t, t.Context(), 0)
	missing := FileSource(lookup.Place{Tool: "docker", Path: path + ".none", Format: authfile.Docker})
	if _, err := From(e, s, missing, Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("From of a missing file = %v, want fs.ErrNotExist", err)
	}
	if r, err := From(e, s, FileSource(lookup.Place{Tool: "docker", Path: path, Format: authfile.Docker}), Options{remove: true}); err != nil || len(r.left) != 0 {
		t.Errorf("From of an empty file = %v, %v; want nothing", r, err)
	}
	if _, err := os.Stat(s.Location().Data); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the store's directory: %v, want none", err)
	}
}

func TestLogin_hidesSecret(t *testing.T) {
	l := loginUnder(t, "r.example", authfile.Docker)
	l.Secret = "canary"
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, l); strings.Contains(text, "canary") {
			t.Errorf("%s shows the secret: %s", format, text)
		}
		if text := fmt.Sprintf(format, Claim{l, "file"}); strings.Contains(text, "canary") {
			t.Errorf("%s shows the secret: %s", format, text)
		}
	}
}

// Keys of files and the address under which each is stored.
func TestFileAddress(t *testing.T) {
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
		l := loginUnder(t, c.key, c.format)
		if got := l.Address.String(); got != c.want {
			t.Errorf("%s becomes %s, want %s", c.key, got, c.want)
		}
		if got := store.ParseAddress(l.credential().ServerURL).String(); got != c.want {
			t.Errorf("%s is stored under %s, want %s", c.key, got, c.want)
		}
	}
}

// A login that is stored while others are moved is newer than the file's: it stays, and so
// does the file's.
func TestFrom_newerLoginInStore(t *testing.T) {
	e, s, path := importBench(t, t.Context(), 4)
	r, err := From(e, s, FileSource(lookup.Place{Tool: "docker", Path: path, Format: authfile.Docker}), Options{
		remove: true, progress: func(done, _ int) {
			if done != 1 {
				return
			}
			for _, host := range []string{"r00001.example", "r00002.example", "r00003.example"} {
				if err := s.Put(t.Context(), store.Credential{ServerURL: host, Username: "u", Secret: "newer", Kind: store.KindPassword}); err != nil {
					t.Error(err)
				}
			}
		},
	})
	if err != nil || len(r.Moved) != 1 || r.removed != 1 || len(r.Failed) != 3 || !strings.Contains(r.Failed[0].Message, "another secret") {
		t.Errorf("%d moved, %d removed, failed %v, %v; want 1, 1 and 3 failures", len(r.Moved), r.removed, r.Failed, err)
	}
	if c, err := s.Get(t.Context(), store.ParseAddress("r00002.example")); err != nil || c.Secret != "newer" {
		t.Errorf("the store has %v, %v; want the newer login", c, err)
	}
	if left := entriesOf(t, path); len(left) != 3 || left["r00002.example"].Secret != "secret2" {
		t.Errorf("the file has %v, want the other 3 logins", left)
	}
}

// What goes out of the store, or becomes another login there, between storing and removing
// stays in the file.
func TestFrom_loginLostMeanwhile(t *testing.T) {
	e, s, path := importBench(t, t.Context(), 3)
	r, err := From(e, s, FileSource(lookup.Place{Tool: "docker", Path: path, Format: authfile.Docker}), Options{
		remove: true, progress: func(done, total int) {
			if done != total {
				return
			}
			if _, err := s.Erase(t.Context(), store.ParseAddress("r00000.example")); err != nil {
				t.Error(err)
			}
			if err := s.Put(t.Context(), store.Credential{ServerURL: "r00001.example", Username: "u", Secret: "newer", Kind: store.KindPassword}); err != nil {
				t.Error(err)
			}
		},
	})
	left := entriesOf(t, path)
	if err != nil || len(left) != 2 || left["r00000.example"].Secret != "secret0" || left["r00001.example"].Secret != "secret1" {
		t.Errorf("the file has %v, %v; want the 2 that the store lost", left, err)
	}
	if r.removed != 1 || len(r.Failed) != 2 || !strings.Contains(r.Failed[0].Message, "does not return this login") {
		t.Errorf("%d removed, failed %v; want 1 and 2 failures", r.removed, r.Failed)
	}
}

// A source that is another way into this very store, and an interruption while it erases.
// Nothing is lost, and no second login is erased there.
func TestFrom_helperIsThisStore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	e, s, _ := importBench(t, ctx, 0)
	var logins []Login
	for _, host := range []string{"a.example", "b.example"} {
		l := loginUnder(t, host, authfile.Docker)
		l.Secret = "only-here-" + host
		if err := s.Put(t.Context(), l.credential()); err != nil {
			t.Fatal(err)
		}
		logins = append(logins, l)
	}
	for _, interrupted := range []bool{false, true} {
		erased := 0
		src := Source{
			Name: "docker-credential-loop",
			List: func(context.Context) ([]Login, error) { return logins, nil },
			remove: func(ctx context.Context, logins []Login) (r removal, err error) {
				for _, l := range logins {
					if _, err := s.Erase(context.WithoutCancel(ctx), l.Address); err != nil {
						t.Error(err)
					}
					erased++
				}
				if interrupted {
					cancel()
				}
				return removal{removed: len(logins)}, ctx.Err()
			},
		}
		r, err := From(e, s, src, Options{remove: true})
		if interrupted != errors.Is(err, context.Canceled) || erased != 1 || r.removed != 0 {
			t.Errorf("interrupted %t: %d erased, %d reported removed, %v; want 1 and 0", interrupted, erased, r.removed, err)
		}
		for _, l := range logins {
			if c, err := s.Get(t.Context(), l.Address); err != nil || c.Secret != l.Secret {
				t.Errorf("interrupted %t: the store has %v for %s (%v), want the login back", interrupted, c, l.Key, err)
			}
		}
	}
}
