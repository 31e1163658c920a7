package authfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// put writes a file, and makes its directory if need be.
func put(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func names(t *testing.T, folder string) string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

func setStore(d *Document) error {
	d.SetCredsStore("regshape")
	return nil
}

const withStore = "{\n\t\"credsStore\": \"regshape\"\n}\n"

func TestUpdate(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new", "folder")
	path := filepath.Join(folder, "config.json")
	changed, err := Update(path, Docker, 0o600, func(*Document) error { return nil })
	if _, missing := os.Stat(filepath.Dir(folder)); changed || err != nil || missing == nil {
		t.Fatalf("nothing to write: %v, %v, folder made: %v", changed, err, missing == nil)
	}
	if changed, err := Update(path, Docker, 0o600, setStore); !changed || err != nil {
		t.Fatal(changed, err)
	}
	if got := content(t, path); got != withStore {
		t.Errorf("got %q, want %q", got, withStore)
	}
	before, _ := os.Stat(path)
	if changed, err := Update(path, Docker, 0o600, setStore); changed || err != nil {
		t.Errorf("the same again: %v, %v", changed, err)
	}
	if after, _ := os.Stat(path); !os.SameFile(before, after) {
		t.Error("written again without a change")
	}
	if got := names(t, folder); got != "config.json" {
		t.Errorf("left behind: %s", got)
	}
}

func TestUpdate_leavesFile(t *testing.T) {
	stop := errors.New("stop")
	for _, c := range []struct {
		name, text string
		edit       func(*Document) error
	}{
		{"malformed", "{\"auths\": {\"a\": }}", setStore},
		{"comment", "{} // mine", setStore},
		{"wrong type", "{\"credsStore\": 1}", setStore},
		{"refused", "{\"credsStore\": \"a\", \"credsStore\": \"b\"}", setStore},
		{"edit fails", "{}", func(d *Document) error { d.SetCredsStore("x"); return stop }},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.json")
			put(t, path, c.text)
			if changed, err := Update(path, Docker, 0o600, c.edit); changed || err == nil {
				t.Error(changed, err)
			}
			if got := content(t, path); got != c.text {
				t.Errorf("now %q", got)
			}
			if got := names(t, filepath.Dir(path)); got != "config.json" {
				t.Errorf("left behind: %s", got)
			}
		})
	}
}

func TestUpdate_otherWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	put(t, path, `{"a":1}`)
	calls := 0
	changed, err := Update(path, Docker, 0o600, func(d *Document) error {
		if calls++; calls == 1 {
			put(t, path, `{"a":1,"written":"meanwhile"}`)
		}
		return setStore(d)
	})
	if !changed || err != nil || calls != 2 || content(t, path) != `{"a":1,"written":"meanwhile","credsStore":"regshape"}` {
		t.Errorf("%v, %v, %d calls: %s", changed, err, calls, content(t, path))
	}

	// Appears, vanishes, and one that never rests.
	missing := filepath.Join(t.TempDir(), "auth.json")
	calls = 0
	if _, err := Update(missing, Docker, 0o600, func(d *Document) error {
		if calls++; calls == 1 {
			put(t, missing, `{"b":2}`)
		}
		return setStore(d)
	}); err != nil || content(t, missing) != `{"b":2,"credsStore":"regshape"}` {
		t.Errorf("update of a missing file: %v: %s", err, content(t, missing))
	}
	calls = 0
	put(t, path, "{}")
	if changed, err := Update(path, Docker, 0o600, func(d *Document) error {
		calls++
		put(t, path, fmt.Sprintf(`{"n":%d}`, calls))
		return setStore(d)
	}); changed || !errors.Is(err, ErrContended) || calls != maxTries || content(t, path) != `{"n":5}` {
		t.Errorf("%v, %v, %d calls: %s", changed, err, calls, content(t, path))
	}
	if got := names(t, filepath.Dir(path)); got != "config.json" {
		t.Errorf("left behind: %s", got)
	}
}

func TestParallelUpdatesKeepAll(t *testing.T) {
	const rounds, writers = 20, 20
	for range rounds {
		path := filepath.Join(t.TempDir(), "folder", "auth.json")
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				_, err := Update(path, Containers, 0o600, func(d *Document) error {
					d.SetAuth(fmt.Sprintf("r%d.example", i), "ada", fmt.Sprint("invented", i), false)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		d, err := Read(path, Containers)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(d.Entries()); n != writers {
			t.Fatalf("%d of %d logins are left", n, writers)
		}
	}
}
