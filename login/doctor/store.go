package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"regshape/login/app"
	"regshape/login/custody"
	"regshape/store"
	"regshape/store/durable"
	"regshape/store/keys"
	"regshape/store/printable"
	"regshape/store/trust"
)

// storeLook is what one look at the store gave, shared by the checks that are about it.
type storeLook struct {
	loc     store.Location
	custody *custody.Session // nil where the store cannot be opened
	found   []store.Credential
	damaged []*store.EntryError
	// What stopped the look: no place for a store, a config or key that cannot be
	// used. The checks of files and entries still run as far as they can.
	err error
	// What is wrong with its files. A store refuses to work with some of it.
	files []store.Problem
}

// lookAtStore reads the store as a login would find it. It creates nothing.
func lookAtStore(e *app.Env) *storeLook {
	var seen storeLook
	if seen.loc, seen.err = e.Locate(); seen.err != nil {
		return &seen
	}
	seen.files = seen.loc.Check(e.Now())
	s, err := store.Open(seen.loc, app.Sources(e))
	if err != nil {
		seen.err = err
		return &seen
	}
	if now, err := s.Custody(); err == nil {
		seen.custody = &custody.Session{E: e, Loc: seen.loc, KeyFile: app.Sources(e).KeyFile, Store: s, Now: now}
	}
	seen.found, seen.damaged, seen.err = s.List(e.Ctx)
	if seen.err == nil && len(seen.found)+len(seen.damaged) == 0 {
		// An empty store lists well with a key that would fail the next login. Before
		// the first login there is none.
		if _, err := s.RootKey(e.Ctx); !errors.Is(err, store.ErrNoKey) {
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

func (c filesCheck) run(e *app.Env) []finding {
	if c.seen.loc.Data == "" {
		return nil // keyCheck says why
	}
	var found []finding
	sound := true
	for _, p := range c.seen.files {
		if p.Harmless {
			found = append(found, note(p.What, p.Path, printable.Shell(p.Fix...)))
			continue
		}
		sound = false
		fix := printable.Shell(p.Fix...)
		if p.Unfinished {
			fix = e.Own("auth", "key", "rotate", "--resume")
		}
		what := p.What
		if advice := e.Advice(p.Err); advice != "" {
			what += ": " + advice
		}
		found = append(found, bad(what, p.Path, fix))
	}
	if sound {
		found = append([]finding{good("the store's files are closed to other users", c.seen.loc.Data)}, found...)
	}
	return found
}

// keyCheck tries the key, and says what it protects.
type keyCheck struct{ seen *storeLook }

func (keyCheck) name() string { return "key" }

func (c keyCheck) run(e *app.Env) []finding {
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
	case (errors.Is(err, durable.ErrUnsafe) || errors.Is(err, fs.ErrPermission)) && slices.ContainsFunc(c.seen.files, func(p store.Problem) bool { return !p.Harmless }):
		found = append(found, note("the key was not tried: files and folders like those above come first", c.seen.loc.Data, ""))
	default:
		what := err.Error()
		advice := e.Advice(err)
		fix := mends(e, err)
		if k := c.seen.custody; k != nil && k.Overridden() {
			// The store has a key; only this run is told to take another one.
			advice, fix = "", printable.Shell("unset", "REGSHAPE_KEY_FILE")
		}
		if !strings.HasPrefix(advice, "run '") && advice != "" {
			what += ": " + advice
		}
		found = append(found, bad(what, c.seen.loc.Data, fix))
	}
	if c.seen.err == nil && c.seen.custody != nil {
		if err := c.seen.custody.Store.CheckNames(e.Ctx); err != nil {
			found = append(found, bad(err.Error(), c.seen.loc.State, e.Own("auth", "unlock")))
		}
	}
	if c.seen.custody != nil {
		found = append(found, c.place(e, c.seen.custody)...)
	}
	return found
}

// place is about where the key is, and where it should not be.
func (c keyCheck) place(e *app.Env, k *custody.Session) []finding {
	source := k.Effective().Source
	found := []finding{note(k.Protections().String(), k.Where(), "")}
	if k.Overridden() {
		found = append(found, note("REGSHAPE_KEY_FILE is set, so the key comes from there, and not from where the config says: "+
			k.PlaceNow(), "$REGSHAPE_KEY_FILE", ""))
	}
	if source == store.SourceEnvironment {
		if mode, open := (keys.Named{Path: k.KeyFile}).Exposed(); open {
			found = append(found, note(fmt.Sprintf("other users can read the key (mode %04o); mounted secrets often are so, and then the mount must keep others out", mode),
				k.Where(), printable.Shell("chmod", "600", k.KeyFile)))
		}
	}
	if source == store.SourceSlots {
		programs, _ := keys.Programs(k.Loc, k.Now.Source) // where slots cannot be listed, key show says why
		for _, p := range programs {
			if err := trust.Check(k.Loc, p); errors.Is(err, store.ErrUntrusted) || errors.Is(err, durable.ErrUnsafe) {
				found = append(found, bad(err.Error(), k.Where(), mends(e, err)))
			} else if err != nil {
				found = append(found, note(err.Error(), k.Where(), ""))
			}
		}
	}
	resume := e.Own("auth", "key", "rotate", "--resume")
	reported := slices.ContainsFunc(c.seen.files, func(p store.Problem) bool { return p.Unfinished })
	if busy, err := k.Store.UnderWay(); err == nil && busy && !reported {
		found = append(found, bad("a change of the key is under way, or was cut short", k.Loc.Config, resume))
	}
	if left := k.LeftKey(); left != "" {
		fix := resume
		if k.Now.Previous.Key.Source == store.SourceEnvironment {
			fix = "" // the user's own file
		}
		found = append(found, bad("the key before this one is still there: "+k.Removal(), left, fix))
	}
	return found
}

// mends is the command for an error of the store, without the words around it.
func mends(e *app.Env, err error) string {
	var at *keys.SourceError
	switch {
	case errors.Is(err, store.ErrLocked):
		return e.Own("auth", "unlock")
	case errors.Is(err, store.ErrUntrusted):
		return e.Own("auth", "trust")
	case errors.As(err, &at) && at.Source == store.SourceEnvironment:
		return ""
	case errors.Is(err, store.ErrNoKey), errors.Is(err, store.ErrWrongKey), errors.Is(err, store.ErrKeyDamaged), errors.Is(err, store.ErrConfigDamaged):
		return e.Own("auth", "key", "restore", "BACKUP") // never the one that gives up all logins
	}
	return "" // for what is unsafe the check of the files has it
}

// entriesCheck is about single logins: damaged, expired, left by a check.
type entriesCheck struct{ seen *storeLook }

func (entriesCheck) name() string { return "logins" }

func (c entriesCheck) run(e *app.Env) []finding {
	var found []finding
	for _, d := range c.seen.damaged {
		switch {
		case errors.Is(d, durable.ErrUnsafe):
			continue // filesCheck says so
		case errors.Is(d, store.ErrNewer):
			found = append(found, bad(d.Error()+": "+e.Advice(d), d.File, ""))
		case errors.Is(d, store.ErrDamaged):
			found = append(found, bad(d.Error()+": log in to its registry again, or move the file away", d.File, printable.Shell(c.seen.loc.MoveAway(d.File)...)))
		default:
			found = append(found, bad(d.Error(), d.File, ""))
		}
	}
	for _, cred := range c.seen.found {
		address := cred.Address()
		switch {
		case strings.HasPrefix(cred.ServerURL, madeUp):
			found = append(found, bad("an interrupted round trip left a made-up login", c.seen.loc.Data, e.Own("auth", "logout", cred.ServerURL)))
		case cred.Expired(e.Now()):
			found = append(found, note("the login of "+address.Name()+" has expired", c.seen.loc.Data, e.Own("auth", "login", address.Name())))
		}
	}
	if len(found) == 0 && len(c.seen.found) > 0 {
		found = append(found, good("no login is damaged or expired", c.seen.loc.Data))
	}
	return found
}
