package importer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sort"
	"strings"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/store"
	"regshape/store/printable"
)

// Source is a place that logins are moved from: a file of another tool, or a helper.
type Source struct {
	Name   string // for messages and JSON: the file's path, or "docker-credential-pass"
	InFile bool   // logins lie there unencrypted, in a file of this name

	// List returns all logins, markers and broken entries, in the order in which they
	// count. A source that does not exist is [io/fs.ErrNotExist].
	List func(ctx context.Context) ([]Login, error)

	// remove removes logins, each only if it still is what List returned and nothing is lost
	// with it. err means that none was removed, or that it is not known which were.
	remove func(ctx context.Context, logins []Login) (removal, error)
}

// removal is what became of logins that were to be removed from a source.
type removal struct {
	removed int
	left    []*Failure     // the logins that stay, and why
	names   authfile.Names // of the file before it was replaced
}

// Login is an entry of a source and where it goes.
type Login struct {
	lookup.Entry        // of a helper, too; Marker also means a key that no client asks for
	keep         string // why it stays in its source although the store has it, or ""
}

// String names the login without its secret.
func (l Login) String() string { return l.Username + "@" + printable.Address(l.Key) }

// GoString hides the secret from %#v.
func (l Login) GoString() string { return l.String() }

// credential is what the store is given. A port that its scheme implies stays in what lists
// show: classic builds match "host:443" to the letter.
func (l Login) credential() store.Credential {
	c := lookup.FromEntry(l.Entry).Credential
	if !l.Address.Opaque() && (strings.Contains(l.Key, "/") || store.ParseAddress(l.Key).String() != l.Address.String()) {
		c.ServerURL = l.Address.String()
	}
	return c
}

// FileSource moves logins out of a file. Markers stay in it: docker and podman tolerate
// them, and they hold no secret.
func FileSource(p lookup.Place) Source {
	return Source{
		Name: p.Path, InFile: true,
		List: func(context.Context) ([]Login, error) {
			d, err := authfile.Read(p.Path, p.Format)
			if err != nil {
				return nil, err
			}
			return fileLogins(d, p.Tool), nil
		},
		remove: func(_ context.Context, logins []Login) (r removal, err error) {
			names := authfile.NamesOf(p.Path)
			changed, err := authfile.Update(p.Path, p.Format, 0o600, func(d *authfile.Document) error {
				// A network file system may not find for a moment what is there.
				if info, err := os.Stat(p.Path); err == nil && info.Size() > 0 && len(d.Bytes()) == 0 {
					return fmt.Errorf("%s exists, but was not found: try again in a minute", p.Path)
				}
				r.left = removeEntries(d, p.Tool, logins)
				return nil
			})
			if changed {
				r.names = names
			}
			r.removed = len(logins) - len(r.left)
			return r, err
		},
	}
}

// secretSource moves logins out of the Secrets in a file, and leaves the file alone: it
// stands for what a cluster has.
func secretSource(path string, documents []*authfile.Document) Source {
	return Source{
		Name: path, InFile: true,
		List: func(context.Context) (logins []Login, err error) {
			for _, d := range documents {
				logins = append(logins, fileLogins(d, "")...)
			}
			for i := range logins {
				logins[i].keep = "a Kubernetes Secret is not edited; delete the file when you do not need it"
			}
			return logins, nil
		},
		remove: func(_ context.Context, logins []Login) (r removal, err error) {
			for _, l := range logins {
				r.left = append(r.left, l.failure("not removed: "+l.keep))
			}
			return r, nil
		},
	}
}

// fileLogins reads the entries of a file of a tool; "" is a file that only the user knows.
func fileLogins(d *authfile.Document, tool string) []Login {
	toFile := map[string]bool{} // the keys for which docker does not ask a helper
	for _, c := range d.CredHelpers() {
		toFile[c.Host] = c.Helper == "" && d.Format() == authfile.Docker
	}
	entries := lookup.Entries(d)
	logins := make([]Login, 0, len(entries))
	for _, e := range entries {
		l := Login{Entry: e}
		switch {
		case errors.Is(e.More, authfile.ErrTwoSecrets):
			l.Err = fmt.Errorf("cannot be moved: %w", e.More)
		case e.More != nil:
			l.keep = e.More.Error()
		case tool != "" && e.Address.Scope() != "" && lookup.IsLogin(e):
			l.Err = errNamespace
		case e.Namespace():
			l.keep = keepNamespace
		case toFile[l.Address.String()]:
			l.keep = "credHelpers has docker look for it in the file"
		}
		logins = append(logins, l)
	}
	// Docker itself reads no login of the file once it asks regshape.
	keepTogether(logins, d.Format() == authfile.Docker && lookup.IsOwn(d.CredsStore()))
	return logins
}

// keepTogether keeps a login in its file while one under another spelling stays there, which
// would be used in its place: for podman only one with a scheme.
func keepTogether(logins []Login, podmanOnly bool) {
	first := map[string]int{}
	for i, l := range logins {
		if l.Marker || !l.Used() || podmanOnly && !l.Exact() && !strings.Contains(l.Key, "://") {
			continue
		}
		if at, seen := first[l.Address.String()]; !seen {
			first[l.Address.String()] = i
		} else if !l.Same(logins[at].Entry) && logins[at].keep == "" {
			logins[at].keep = fmt.Sprintf("another login for it stays in the file, under %q", printable.Line(printable.Address(l.Key), 200))
		}
	}
}

var (
	// keepNamespace is why a namespace's login stays in its file.
	keepNamespace = "podman finds the login of a namespace only in the file"
	// errNamespace is about such a login that is not even copied: in the store it would answer
	// crane, which asks helpers for namespaces, and classic builds, for the whole registry.
	errNamespace = errors.New("not moved: " + keepNamespace)
)

// removeEntries removes the entries that are still what was imported: somebody may have
// logged in meanwhile. An entry that is gone already is fine.
func removeEntries(d *authfile.Document, tool string, logins []Login) (left []*Failure) {
	now := make(map[string]Login)
	for _, l := range fileLogins(d, tool) {
		now[l.Key] = l
	}
	for _, l := range logins {
		found, there := now[l.Key]
		switch {
		case !there:
		case found.Marker || !found.Same(l.Entry):
			left = append(left, l.failure("it changed meanwhile and was not removed"))
		case found.keep != "":
			left = append(left, l.failure("not removed: "+found.keep))
		default:
			d.RemoveAuth(l.Key)
		}
	}
	return left
}

// failure is a login that was not moved or removed. Where the source spells the registry in
// another way, that is shown too.
func (l Login) failure(reason string) *Failure {
	if l.Key != l.Address.Name() {
		reason = fmt.Sprintf("%s (%q there)", reason, printable.Line(printable.Address(l.Key), 200))
	}
	return &Failure{Registry: l.Address.Name(), Username: l.Username, Message: reason}
}

// HelperSource moves logins out of a foreign helper. What it lists and cannot give, and
// what it cannot erase, is reported login by login.
func HelperSource(e *app.Env, name string) Source {
	h := e.Foreign(name)
	var listed []Login
	return Source{
		Name: h.Program(),
		List: func(ctx context.Context) ([]Login, error) {
			keys, err := h.List(ctx)
			if err != nil {
				return nil, err
			}
			logins := make([]Login, 0, len(keys))
			named := lookup.NamedFor(e, name)
			silent := false // waiting again for each of many logins could take hours
			for _, key := range slices.Sorted(maps.Keys(keys)) {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				l := helperLogin(ctx, h, key, silent)
				silent = silent || errors.Is(l.Err, authfile.ErrHelperTimeout)
				if slices.Contains(named, l.Address.String()) {
					l.keep = "credHelpers has clients ask the helper for it"
				}
				logins = append(logins, l)
			}
			sort.SliceStable(logins, func(i, j int) bool { return logins[i].helperRank() < logins[j].helperRank() })
			listed = logins
			return logins, ctx.Err()
		},
		remove: func(ctx context.Context, logins []Login) (r removal, err error) {
			erased := make(map[string]bool, len(logins))
			for _, l := range logins {
				if err = ctx.Err(); err != nil {
					break
				}
				if l.keep != "" {
					r.left = append(r.left, l.failure("not removed: "+l.keep))
					continue
				}
				if reason := eraseFromHelper(ctx, h, l); reason != "" {
					r.left = append(r.left, l.failure(reason))
					continue
				}
				erased[l.Key] = true
				r.removed++
			}
			// What was erased too much is put back after Ctrl-C, too.
			lost, listErr := restoreToHelper(context.WithoutCancel(ctx), h, listed, erased)
			r.left = append(r.left, lost...)
			if err == nil && listErr != nil {
				r.left = append(r.left, &Failure{Message: "cannot check whether it still has its other logins: " + printable.Line(listErr.Error(), 300)})
			}
			listed = slices.DeleteFunc(listed, func(l Login) bool { return erased[l.Key] })
			return r, err
		},
	}
}

// restoreToHelper gives a helper back what it removed in addition to what it was asked to
// remove: some know only the host, or keep all logins of an address in one directory.
func restoreToHelper(ctx context.Context, h authfile.Helper, listed []Login, erased map[string]bool) (lost []*Failure, err error) {
	if len(erased) == 0 {
		return nil, nil
	}
	keys, err := h.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range listed {
		if _, there := keys[l.Key]; there || erased[l.Key] {
			continue
		}
		reason := "the helper removed it together with another login; it was put back"
		if l.Err != nil {
			reason = "the helper removed it together with another login, and had not returned it before"
		} else if err := h.Store(ctx, l.Key, l.Username, l.Secret); err != nil {
			reason = "the helper removed it together with another login, and did not accept it again: " + printable.Line(err.Error(), 300)
		}
		lost = append(lost, l.failure(reason))
	}
	return lost, nil
}

// errNotAsked is about a login of a helper that did not answer for another one.
var errNotAsked = errors.New("the helper did not answer in time for another login, and was not asked again: try again")

// helperLogin asks a helper for one login, unless it is silent. Clients ask a helper by the
// very key, so a path in it is a namespace.
func helperLogin(ctx context.Context, h authfile.Helper, key string, silent bool) Login {
	var l Login
	l.Entry.Entry, l.Address = authfile.Entry{Key: key, Err: errNotAsked}, store.ParseAddress(key).Bare()
	if silent {
		return l
	}
	l.Username, l.Secret, l.Err = h.Get(ctx, key)
	l.IdentityToken = l.Username == authfile.TokenUser
	if errors.Is(l.Err, authfile.ErrNoEntry) {
		// Seen with docker-credential-secretservice: it lists what it does not give.
		l.Err = errors.New("the helper lists it, but does not return it: log in there again")
	}
	return l
}

// helperRank orders the keys of a helper that mean one registry: clients ask for the first.
func (l Login) helperRank() int {
	switch {
	case l.Key == l.Address.String():
		return 0
	case strings.HasPrefix(l.Key, "http://"):
		return 2
	}
	return 1
}

// eraseFromHelper removes one login, if it still is what was imported, and says why not.
func eraseFromHelper(ctx context.Context, h authfile.Helper, l Login) string {
	user, secret, err := h.Get(ctx, l.Key)
	switch {
	case errors.Is(err, authfile.ErrNoEntry):
		return ""
	case err == nil && (user != l.Username || secret != l.Secret):
		return "it changed meanwhile and was not removed"
	case err == nil:
		if err = h.Erase(ctx, l.Key); err == nil {
			if _, _, err := h.Get(ctx, l.Key); err == nil {
				return "not removed: the helper still returns it"
			}
		}
	}
	if err != nil && !errors.Is(err, authfile.ErrNoEntry) {
		return "not removed: " + printable.Line(err.Error(), 300)
	}
	return ""
}
