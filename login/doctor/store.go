package doctor

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"regshape/login/app"
	"regshape/login/custody"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/durable"
	"regshape/store/keys"
	"regshape/store/lend"
	"regshape/store/printable"
	"regshape/store/trust"
)

// soon is how long before its end a login is reported that does not renew itself.
const soon = 24 * time.Hour

// storeState is the state of the store, read once for all checks.
type storeState struct {
	loc     store.Location
	session *custody.Session // nil if the store cannot be opened
	found   []store.Credential
	damaged []*store.EntryError
	// Why it could not be read: no place for a store, an invalid config or key. The checks
	// of files and entries still run as far as they can.
	err error
	// Problems of its files; with some of them a store refuses to work.
	files []store.Problem
	// Why the next login could not be written.
	closed error
}

// readStore reads the store like a login would. It creates nothing.
func readStore(e *app.Env) *storeState {
	var seen storeState
	if seen.loc, seen.err = e.Locate(); seen.err != nil {
		return &seen
	}
	seen.files = seen.loc.Check(e.Now())
	for _, dir := range []string{seen.loc.Data, seen.loc.State, seen.loc.Config} {
		seen.closed = cmp.Or(seen.closed, closedTo(dir))
	}
	s, err := store.Open(seen.loc, app.Sources(e))
	if err != nil {
		seen.err = err
		return &seen
	}
	if k, err := custody.New(e, seen.loc, s); err == nil {
		seen.session = k
	}
	seen.found, seen.damaged, seen.err = s.List(e.Ctx)
	if seen.err == nil && len(seen.found)+len(seen.damaged) == 0 {
		// Listing an empty store does not use the key, which the next login needs. Before
		// the first login there is none.
		if _, err := s.RootKey(e.Ctx); !errors.Is(err, store.ErrNoKey) {
			seen.err = err
		}
	}
	return &seen
}

// empty reports whether there is no store yet, or nothing in it.
func (s *storeState) empty() bool { return s.err == nil && len(s.found)+len(s.damaged) == 0 }

// checkFiles checks mode and owner of the store's files, and for leftovers.
func checkFiles(e *app.Env, state *storeState) []finding {
	if state.loc.Data == "" {
		return nil // reported by checkKey
	}
	var found []finding
	sound := true
	for _, p := range state.files {
		if p.Harmless {
			found = append(found, note(p.What, p.Path, printable.Shell(p.Fix...)))
			continue
		}
		sound = false
		f := bad(p.What, p.Path, printable.Shell(p.Fix...))
		if p.Unfinished {
			f.Fix = e.Own("auth", "key", "rotate", "--resume")
		}
		if f.Fix == "" {
			f = badError(e, p.What, p.Err, p.Path)
		}
		found = append(found, f)
	}
	if sound {
		found = append([]finding{good("the store's files are private", state.loc.Data)}, found...)
	}
	return found
}

// checkKey checks the key, and says what it protects against.
func checkKey(e *app.Env, state *storeState) []finding {
	var found []finding
	switch err := state.err; {
	case err == nil && state.empty():
		found = append(found, note("the store is empty; the first login creates what it needs", state.loc.Data, ""))
	case err == nil:
		found = append(found, good("the key opens the store, "+terminal.Count(len(state.found), "login"), state.loc.Data))
	case (errors.Is(err, durable.ErrUnsafe) || errors.As(err, new(*fs.PathError))) && slices.ContainsFunc(state.files, func(p store.Problem) bool { return !p.Harmless }):
		found = append(found, note("the key was not checked: fix the files and directories above first", state.loc.Data, ""))
	default:
		what := err.Error()
		advice := e.Advice(err)
		fix := fixFor(e, err)
		if k := state.session; k != nil && k.Overridden() {
			// The store has a key, but this run uses another one.
			advice, fix = "", printable.Shell("unset", "REGSHAPE_KEY_FILE")
		}
		if !strings.HasPrefix(advice, "run '") && advice != "" {
			what += ": " + advice
		}
		found = append(found, bad(what, state.loc.Data, fix))
	}
	if state.err == nil && state.session != nil {
		if err := state.session.Store.CheckNames(e.Ctx); err != nil {
			found = append(found, bad(err.Error(), state.loc.State, e.Own("auth", "unlock")))
		}
	}
	if state.session != nil {
		found = append(found, keyPlace(e, state)...)
	}
	return found
}

// keyPlace is about where the key is, and where the previous one still is.
func keyPlace(e *app.Env, state *storeState) []finding {
	k := state.session
	source := k.Effective().Source
	found := []finding{note(k.Protections().String()+"; '"+e.Own("auth", "key", "show")+"' has details", k.Where(), "")}
	if k.Overridden() {
		found = append(found, note("REGSHAPE_KEY_FILE is set and overrides the place of the key in the config: "+
			k.PlaceNow(), "$REGSHAPE_KEY_FILE", ""))
	}
	if source == store.SourceEnvironment {
		if how, fix := (keys.Named{Path: k.KeyFile}).Exposed(); how != "" {
			found = append(found, note("other users can read the key ("+how+"); this is common for mounted secrets, if the mount keeps other users out",
				k.Where(), printable.Shell(fix...)))
		}
	}
	if source == store.SourceSlots {
		programs, _ := keys.Programs(k.Loc, k.Now.Source) // an error is reported by key show
		for _, p := range programs {
			if err := trust.Check(k.Loc, p); errors.Is(err, store.ErrUntrusted) || errors.Is(err, durable.ErrUnsafe) {
				found = append(found, bad(err.Error(), k.Where(), fixFor(e, err)))
			} else if err != nil {
				found = append(found, note(err.Error(), k.Where(), ""))
			}
		}
	}
	resume := e.Own("auth", "key", "rotate", "--resume")
	reported := slices.ContainsFunc(state.files, func(p store.Problem) bool { return p.Unfinished })
	if busy, err := k.Store.UnderWay(); err == nil && busy && !reported {
		found = append(found, bad("a change of the key is in progress or was interrupted", k.Loc.Config, resume))
	}
	if left := k.LeftKey(); left != "" {
		fix := resume
		if k.Now.Previous.Key.Source == store.SourceEnvironment {
			fix = "" // the user's own file
		}
		found = append(found, bad("the previous key still exists: "+k.Removal(), left, fix))
	}
	return found
}

// fixFor is the command that fixes an error of the store.
func fixFor(e *app.Env, err error) string {
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
	return printable.Shell(app.FileFix(err)...)
}

// checkEntries reports single logins: damaged, expired, or left by a round trip.
func checkEntries(e *app.Env, state *storeState) []finding {
	var found []finding
	for _, d := range state.damaged {
		switch {
		case errors.Is(d, durable.ErrUnsafe):
			continue // reported by checkFiles
		case errors.Is(d, store.ErrNewer):
			found = append(found, badError(e, d.Error(), d, d.File))
		case errors.Is(d, store.ErrDamaged):
			found = append(found, bad(d.Error()+": log in to its registry again, or move the file away", d.File, printable.Shell(state.loc.MoveAway(d.File)...)))
		default:
			found = append(found, badError(e, d.Error(), d, d.File))
		}
	}
	for _, cred := range state.found {
		address := cred.Address()
		switch {
		case strings.HasPrefix(cred.ServerURL, probeAddress):
			found = append(found, bad("an interrupted check left its test login", state.loc.Data, e.Own("auth", "logout", cred.ServerURL)))
		case cred.Expired(e.Now()):
			found = append(found, note("the login for "+address.Name()+" has expired", state.loc.Data, e.Own("auth", "login", address.Name())))
		case !cred.Renews() && cred.Expired(e.Now().Add(soon)):
			found = append(found, note("the login for "+address.Name()+" expires on "+terminal.Clock(cred.Expires), state.loc.Data, e.Own("auth", "login", address.Name())))
		}
	}
	if len(found) == 0 && len(state.found) > 0 {
		found = append(found, good("no login is damaged or expired", state.loc.Data))
	}
	return found
}

// checkForwards names the machines that lend logins to the default store's users.
func checkForwards(e *app.Env, _ *storeState) (found []finding) {
	if e.Store != "" || e.Profile != "" {
		return nil
	}
	for _, from := range lend.Forwards(e.Ctx) {
		found = append(found, note("logins that are not stored here come from "+from+", while it lends them", "", ""))
	}
	return found
}
