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
	"slices"
	"time"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/store"
	"regshape/store/printable"
)

// probeAddress is the prefix of the address of a round trip. It is not a registry address, so
// no request of a client can get the login.
const probeAddress = "doctor:trip:"

// checkRoundTrip stores, reads, lists and erases a test login through the helper that docker
// would find, as a separate process.
//
// It uses the user's store if there is one, since a full disk or wrong permissions show only
// there, and a temporary one before the first login, to leave no key behind. A store that
// cannot be opened is not tried. A program that lists the user's store at that moment sees
// the test login.
func checkRoundTrip(e *app.Env, state *storeState) []finding {
	if _, err := exec.LookPath(ownHelperProgram); err != nil {
		return []finding{note("no test login was made: "+ownHelperProgram+" is not on PATH", "", "")}
	}
	if state.err != nil {
		return []finding{note("no test login was made: the store cannot be opened", state.loc.Data, "")}
	}
	if state.closed != nil {
		return []finding{note("no test login was made: the store cannot be written", state.loc.Data, "")}
	}
	loc, dir, profile := state.loc, e.Store, e.Profile
	if state.empty() {
		temporary, err := os.MkdirTemp("", "regshape-doctor-")
		if err != nil {
			return []finding{badError(e, "cannot create a temporary directory: "+err.Error(), err, os.TempDir())}
		}
		defer func() { _ = os.RemoveAll(temporary) }()
		if loc, err = store.Locate(store.Options{Dir: temporary}); err != nil {
			return []finding{badError(e, err.Error(), err, temporary)}
		}
		dir, profile = temporary, ""
	}
	t := probe{
		loc: loc, sources: app.Sources(e), quiet: slices.ContainsFunc(state.found, store.Credential.Renews), address: probeAddress + rand.Text()[:12], user: "doctor",
		// What faulty helpers lose: line endings, quotes, white space at the ends.
		secret: " " + rand.Text() + "\n\"\\\u2028é🔑 " + rand.Text() + "\r\n",
		// Enough for a store on a slow network drive.
		helper: authfile.Helper{Name: lookup.OwnHelper, Timeout: 15 * time.Second, Environ: []string{
			"REGSHAPE_STORE=" + dir, "REGSHAPE_PROFILE=" + profile,
		}},
	}
	if err := t.run(e.Ctx); err != nil {
		return []finding{bad("the test login failed: "+err.Error(), loc.Data, printable.Shell(ownHelperProgram, "list"))}
	}
	if state.empty() {
		return []finding{good("store, get, list and erase work through "+ownHelperProgram+" (in a temporary store)", "")}
	}
	works := "store, get, list and erase"
	if t.quiet {
		works = "store, get and erase"
	}
	return []finding{good(works+" work through "+ownHelperProgram, loc.Data)}
}

// probe is one round trip.
type probe struct {
	loc                   store.Location
	sources               store.Sources
	address, user, secret string
	helper                authfile.Helper
	quiet                 bool // no list, which would renew logins
}

// run leaves nothing behind, also if it fails or is interrupted.
func (t probe) run(ctx context.Context) (err error) {
	before := t.files()
	stored := false
	defer func() {
		if !stored {
			return
		}
		// Not by the helper, which may hang, nor with the context, which may be cancelled.
		if eraseErr := t.erase(context.WithoutCancel(ctx)); eraseErr != nil {
			err = fmt.Errorf("%w; and the test login could not be removed: %w", err, eraseErr)
		}
	}()
	stored = true // a failed or killed store may still have written it
	if err := t.helper.Store(ctx, t.address, t.user, t.secret); err != nil {
		return err
	}
	switch user, secret, err := t.helper.Get(ctx, t.address); {
	case err != nil:
		return err
	case user != t.user || secret != t.secret:
		return errors.New("get returned something else than was stored")
	}
	if !t.quiet {
		switch list, err := t.helper.List(ctx); {
		case err != nil:
			return err
		case list[t.address] != t.user:
			return errors.New("list does not show what was stored")
		}
	}
	if path := t.plaintext(before); path != "" {
		return fmt.Errorf("%s contains the secret unencrypted", path)
	}
	if err := t.helper.Erase(ctx, t.address); err != nil {
		return err
	}
	switch _, _, err := t.helper.Get(ctx, t.address); {
	case err == nil:
		return errors.New("get still returns it after erase")
	case !errors.Is(err, authfile.ErrNoEntry):
		return err
	}
	stored = false
	return nil
}

// erase removes the test login from the store.
func (t probe) erase(ctx context.Context) error {
	s, err := store.Open(t.loc, t.sources)
	if err != nil {
		return err
	}
	_, err = s.Erase(ctx, store.ParseAddress(t.address))
	return err
}

// files lists what is directly in the store's directories and in its generations.
func (t probe) files() map[string]bool {
	files := map[string]bool{}
	v1 := filepath.Join(t.loc.Data, "v1")
	dirs := []string{t.loc.Data, t.loc.State, t.loc.Config, v1}
	for i := 0; i < len(dirs); i++ {
		entries, err := os.ReadDir(dirs[i])
		if err != nil {
			continue // does not exist yet; other errors make the probe fail
		}
		for _, f := range entries {
			path := filepath.Join(dirs[i], f.Name())
			files[path] = true
			if f.IsDir() && dirs[i] == v1 {
				dirs = append(dirs, path)
			}
		}
	}
	return files
}

// plaintext returns the path of a file created since then that contains the secret, or "".
func (t probe) plaintext(before map[string]bool) string {
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
