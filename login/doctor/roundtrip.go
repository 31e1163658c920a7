package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/store"
)

// madeUp begins the address of a round trip. It parses as no registry, so that no
// request can ever be answered with it.
const madeUp = "doctor:trip:"

// roundTripCheck stores, reads, lists and erases a made-up login through the helper that
// docker would find, as a process of its own.
//
// It works on the user's store where there is one, since a full disk or a wrong mode
// shows only there, and on a temporary one before the first login, since a look at
// somebody's health should leave no key behind. A store that cannot be opened, or whose
// entries are hidden by an error, is not tried. Whoever lists the user's store within
// those milliseconds sees the made-up address, and may no longer find it a moment later.
type roundTripCheck struct{ seen *storeLook }

func (roundTripCheck) name() string { return "round-trip" }

func (c roundTripCheck) run(e *app.Env) []finding {
	if _, err := exec.LookPath(ownHelperProgram); err != nil {
		return []finding{note("no login was tried, since "+ownHelperProgram+" is not on PATH", "", "")}
	}
	if c.seen.err != nil {
		return []finding{note("no login was tried, since the store cannot be opened", c.seen.loc.Data, "")}
	}
	loc, dir, profile := c.seen.loc, e.Store, e.Profile
	if c.seen.empty() {
		temporary, err := os.MkdirTemp("", "regshape-doctor-")
		if err != nil {
			return []finding{bad("no temporary folder can be made: "+err.Error(), os.TempDir(), "")}
		}
		defer func() { _ = os.RemoveAll(temporary) }()
		if loc, err = store.Locate(store.Options{Dir: temporary}); err != nil {
			return []finding{bad(err.Error(), temporary, "")}
		}
		dir, profile = temporary, ""
	}
	t := trip{
		loc: loc, sources: app.Sources(e), address: madeUp + rand.Text()[:12], user: "doctor",
		// What clumsy helpers lose: line ends, quotes, white space at the ends.
		secret: " " + rand.Text() + "\n\"\\\u2028é🔑 " + rand.Text() + "\r\n",
		// A store on a slow network drive still answers within this.
		helper: authfile.Helper{Name: lookup.OwnHelper, Timeout: 15 * time.Second, Environ: append(os.Environ(),
			"REGSHAPE_STORE="+dir, "REGSHAPE_PROFILE="+profile)},
	}
	if err := t.make(e.Ctx); err != nil {
		return []finding{bad("a made-up login does not survive: "+err.Error(), loc.Data, "")}
	}
	if c.seen.empty() {
		return []finding{good("store, get, list and erase work through "+ownHelperProgram+" (in a temporary store)", "")}
	}
	return []finding{good("store, get, list and erase work through "+ownHelperProgram, loc.Data)}
}

// trip is one round trip.
type trip struct {
	loc                   store.Location
	sources               store.Sources
	address, user, secret string
	helper                authfile.Helper
}

// make does the trip and leaves nothing behind, also when it fails or is interrupted.
func (t trip) make(ctx context.Context) (err error) {
	before := t.files()
	stored := false
	defer func() {
		if !stored {
			return
		}
		// Without the helper, which is what may hang, and without the context, which
		// may be the one that an interrupt ended.
		if eraseErr := t.erase(context.WithoutCancel(ctx)); eraseErr != nil {
			err = fmt.Errorf("%w; and the made-up login could not be removed: %w", err, eraseErr)
		}
	}()
	stored = true // a store that fails or is killed may have written all the same
	if err := t.helper.Store(ctx, t.address, t.user, t.secret); err != nil {
		return err
	}
	switch user, secret, err := t.helper.Get(ctx, t.address); {
	case err != nil:
		return err
	case user != t.user || secret != t.secret:
		return errors.New("get answered something else than was stored")
	}
	switch list, err := t.helper.List(ctx); {
	case err != nil:
		return err
	case list[t.address] != t.user:
		return errors.New("list does not show what was stored")
	}
	if path := t.plaintext(before); path != "" {
		return fmt.Errorf("%s holds the secret without encryption", path)
	}
	if err := t.helper.Erase(ctx, t.address); err != nil {
		return err
	}
	switch _, _, err := t.helper.Get(ctx, t.address); {
	case err == nil:
		return errors.New("get still answers after erase")
	case !errors.Is(err, authfile.ErrNoEntry):
		return err
	}
	stored = false
	return nil
}

// erase takes the made-up login out of the store.
func (t trip) erase(ctx context.Context) error {
	s, err := store.Open(t.loc, t.sources)
	if err != nil {
		return err
	}
	_, err = s.Erase(ctx, store.ParseAddress(t.address))
	return err
}

// files lists what is directly in the store's folders and in its generations.
func (t trip) files() map[string]bool {
	files := map[string]bool{}
	v1 := filepath.Join(t.loc.Data, "v1")
	folders := []string{t.loc.Data, t.loc.State, t.loc.Config, v1}
	for i := 0; i < len(folders); i++ {
		entries, err := os.ReadDir(folders[i])
		if err != nil {
			continue // not there yet; what the store cannot use makes the trip itself fail
		}
		for _, f := range entries {
			path := filepath.Join(folders[i], f.Name())
			files[path] = true
			if f.IsDir() && folders[i] == v1 {
				folders = append(folders, path)
			}
		}
	}
	return files
}

// plaintext is the path of a file made since then that shows the secret, or "".
func (t trip) plaintext(before map[string]bool) string {
	encoded := base64.StdEncoding.EncodeToString([]byte(t.user + ":" + t.secret))
	for path := range t.files() {
		info, err := os.Lstat(path)
		if before[path] || err != nil || !info.Mode().IsRegular() {
			continue
		}
		data, err := os.ReadFile(path)
		if err == nil && (bytes.Contains(data, []byte(t.secret)) || bytes.Contains(data, []byte(encoded))) {
			return path
		}
	}
	return ""
}
