package login

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"regshape/login/registry"
	"regshape/store"
)

// storeLook is what one look at the store gave, shared by the checks that are about it.
type storeLook struct {
	loc     store.Location
	source  store.KeySource
	found   []store.Credential
	damaged []*store.EntryError
	// What stopped the look: no place for a store, a config or key that cannot be
	// used. The checks of files and entries still run as far as they can.
	err error
	// What is wrong with its files. A store refuses to work with some of it.
	files []store.Problem
}

// lookAtStore reads the store as a login would find it. It creates nothing.
func lookAtStore(e *env) *storeLook {
	var seen storeLook
	if seen.loc, seen.err = e.locate(); seen.err != nil {
		return &seen
	}
	seen.files = seen.loc.Check(e.now())
	s, err := store.Open(seen.loc, e.sources())
	if err != nil {
		seen.err = err
		return &seen
	}
	if custody, err := s.Custody(); err == nil {
		seen.source = custody.Source
	}
	seen.found, seen.damaged, seen.err = s.List(e.ctx)
	if seen.err == nil && len(seen.found)+len(seen.damaged) == 0 {
		// An empty store lists well with a key that would fail the next login. Before
		// the first login there is none.
		if _, err := s.RootKey(e.ctx); !errors.Is(err, store.ErrNoKey) {
			seen.err = err
		}
	}
	return &seen
}

// empty says that there is nothing of a store yet, or nothing in it.
func (s *storeLook) empty() bool { return s.err == nil && len(s.found)+len(s.damaged) == 0 }

// filesCheck looks at modes and owners of the store's own files, and for what is left
// over there.
type filesCheck struct{ seen *storeLook }

func (filesCheck) name() string { return "store" }

func (c filesCheck) run(*env) []finding {
	if c.seen.loc.Data == "" {
		return nil // keyCheck says why
	}
	var found []finding
	sound := true
	for _, p := range c.seen.files {
		if p.Harmless {
			found = append(found, note(p.What, p.Path, commandLine(p.Fix)))
			continue
		}
		sound = false
		found = append(found, bad(p.What, p.Path, commandLine(p.Fix)))
	}
	if sound {
		found = append([]finding{good("the store's files are closed to other users", c.seen.loc.Data)}, found...)
	}
	return found
}

// keyCheck tries the key, and says what it protects.
type keyCheck struct{ seen *storeLook }

func (keyCheck) name() string { return "key" }

func (c keyCheck) run(e *env) []finding {
	var found []finding
	logins := fmt.Sprintf("%d logins", len(c.seen.found))
	if len(c.seen.found) == 1 {
		logins = "1 login"
	}
	switch err := c.seen.err; {
	case err == nil && c.seen.empty():
		found = append(found, note("the store is empty; the first login makes what it needs", c.seen.loc.Data, ""))
	case err == nil:
		found = append(found, good("the key opens the store, "+logins, c.seen.loc.Data))
	case (errors.Is(err, store.ErrUnsafe) || errors.Is(err, fs.ErrPermission)) && slices.ContainsFunc(c.seen.files, func(p store.Problem) bool { return !p.Harmless }):
		found = append(found, note("the key was not tried: files and folders like those above come first", c.seen.loc.Data, ""))
	default:
		what := err.Error()
		advice := e.advice(err)
		if !strings.HasPrefix(advice, "run '") && advice != "" {
			what += ": " + advice
		}
		found = append(found, bad(what, c.seen.loc.Data, e.mends(err)))
	}
	if c.seen.source.Source != "" {
		found = append(found, note(protection(c.seen.source.Source), c.seen.loc.KeyFile(), ""))
	}
	return found
}

// mends is the command for an error of the store, without the words around it.
func (e *env) mends(err error) string {
	switch {
	case errors.Is(err, store.ErrLocked):
		return e.own("auth", "unlock")
	case errors.Is(err, store.ErrNoKey), errors.Is(err, store.ErrWrongKey), errors.Is(err, store.ErrKeyDamaged):
		return e.own("auth", "key", "reset", "--forget-all-logins")
	}
	return "" // for what is unsafe the check of the files has it
}

// protection says in words what a key source is good for.
func protection(source string) string {
	if source == store.SourceFile {
		return "the key is a file that only you can read: it protects copies of the store (backups, sync, images), " +
			"against changes and against other users, but not against root, your own programs, or somebody who gets the whole home folder"
	}
	return fmt.Sprintf("the key comes from the source %q; root and your own programs can use it while the store is unlocked",
		registry.Printable(source, 40))
}

// entriesCheck is about single logins: damaged, expired, left by a check.
type entriesCheck struct{ seen *storeLook }

func (entriesCheck) name() string { return "logins" }

func (c entriesCheck) run(e *env) []finding {
	var found []finding
	for _, d := range c.seen.damaged {
		switch {
		case errors.Is(d, store.ErrUnsafe):
			continue // filesCheck says so
		case errors.Is(d, store.ErrNewer):
			found = append(found, bad(d.Error()+": "+e.advice(d), d.File, ""))
		case errors.Is(d, store.ErrDamaged):
			found = append(found, bad(d.Error()+": log in to its registry again, or remove the file", d.File, commandLine([]string{"rm", d.File})))
		default:
			found = append(found, bad(d.Error(), d.File, ""))
		}
	}
	for _, cred := range c.seen.found {
		address := store.ParseAddress(cred.ServerURL)
		switch {
		case strings.HasPrefix(cred.ServerURL, madeUp):
			found = append(found, bad("an interrupted round trip left a made-up login", c.seen.loc.Data, e.own("auth", "logout", cred.ServerURL)))
		case cred.Expired(e.now()):
			found = append(found, note("the login of "+shown(address)+" has expired", c.seen.loc.Data, e.own("auth", "login", shown(address))))
		}
	}
	if len(found) == 0 && len(c.seen.found) > 0 {
		found = append(found, good("no login is damaged or expired", c.seen.loc.Data))
	}
	return found
}
