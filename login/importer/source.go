package importer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/store"
	"regshape/store/printable"
)

// Source is a place that logins are moved out of: a file of another tool, or a
// helper.
type Source struct {
	Name string // for messages and JSON: the file's path, or "docker-credential-pass"
	tool string // "docker", "podman", "singularity", "microagent", or "" where only a path or helper is known
	file bool   // logins lie there unencrypted, in a file of this name

	// List returns all logins, markers and broken entries, in the order in which they
	// count. A source that is not there is [fs.ErrNotExist].
	List func(ctx context.Context) ([]Login, error)

	// remove takes logins away, each only if it still is what list returned and nothing is
	// lost with it. err means that none was removed, or that it is not known which were.
	remove func(ctx context.Context, logins []Login) (removal, error)
}

// removal is what became of logins that were to be removed from a source.
type removal struct {
	removed int
	left    []Failure      // the logins that stay, and why
	names   authfile.Names // of the file before it was replaced
}

// Login is one login of a source. Exactly one of these holds: err is set, marker
// is true, or username and secret are a login.
type Login struct {
	key           string        // as the source spells it
	Address       store.Address // where it goes
	username      string        // authfile.TokenUser for an identity token
	secret        string
	identityToken bool  // secret is an OAuth2 refresh token
	Marker        bool  // it says only that some helper holds a login, or has a key that nobody asks for
	err           error // it cannot be moved: why, never a secret

	// keep says why the login stays in its source although the store has it; "" for no
	// reason.
	keep string
}

// String names the login without its secret.
func (l Login) String() string { return l.username + "@" + printable.Address(l.key) }

// GoString hides the secret from %#v.
func (l Login) GoString() string { return l.String() }

// credential is what the store is given.
func (l Login) credential() store.Credential {
	c := store.Credential{ServerURL: l.key, Username: l.username, Secret: l.secret, Kind: store.KindPassword}
	if !l.Address.Opaque() {
		c.ServerURL = lookup.ServerURL(l.Address)
	}
	if l.identityToken {
		c.Kind = store.KindIdentityToken
	}
	return c
}

// FileSource moves logins out of a file. Markers stay in it: docker and podman bear with
// them, and they hold no secret.
func FileSource(p lookup.Place) Source {
	return Source{
		Name: p.Path, tool: p.Tool, file: true,
		List: func(context.Context) ([]Login, error) {
			d, err := authfile.Read(p.Path, p.Format)
			if err != nil {
				return nil, err
			}
			return fileLogins(d), nil
		},
		remove: func(_ context.Context, logins []Login) (r removal, err error) {
			names := authfile.NamesOf(p.Path)
			changed, err := authfile.Update(p.Path, p.Format, 0o600, func(d *authfile.Document) error {
				// A network file system may not find for a moment what is there.
				if info, err := os.Stat(p.Path); err == nil && info.Size() > 0 && len(d.Bytes()) == 0 {
					return fmt.Errorf("%s was not found, and is there: try again in a minute", p.Path)
				}
				r.left = removeEntries(d, logins)
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

// maxKey bounds the keys of files: a host name has 253 characters at most, and a namespace
// that a client asks for has room in the rest.
const maxKey = 2048

// fileLogins reads the entries of a file. Several may mean one registry: the one that
// the file's own tool asks for comes first.
func fileLogins(d *authfile.Document) []Login {
	toFile := map[string]bool{} // the addresses for which docker does not ask a helper
	for _, c := range d.CredHelpers() {
		toFile[c.Host] = c.Helper == "" && d.Format() == authfile.Docker
	}
	entries := d.Entries()
	logins := make([]Login, 0, len(entries))
	for _, e := range entries {
		l := Login{
			key: e.Key, Address: fileAddress(e.Key, d.Format()), username: e.Username, secret: e.Secret,
			identityToken: e.IdentityToken, Marker: e.Marker, err: e.Err,
		}
		switch {
		case strings.TrimSpace(e.Key) == "" || len(e.Key) > maxKey:
			l = Login{key: e.Key, Address: l.Address, Marker: true} // no client can ask for it
		case errors.Is(e.More, authfile.ErrTwoSecrets):
			l.err = fmt.Errorf("cannot be moved: %w", e.More)
		case e.More != nil:
			l.keep = e.More.Error()
		case l.Address.Scope() != "":
			l.keep = "docker and podman ask a helper for whole registries alone"
		case toFile[lookup.ServerURL(l.Address)]:
			l.keep = "credHelpers has docker look for it in the file"
		}
		logins = append(logins, l)
	}
	slices.SortStableFunc(logins, func(a, b Login) int {
		return a.rank(d.Format()) - b.rank(d.Format())
	})
	return logins
}

// fileAddress is the address that a key of a file means. Behind a scheme, and anywhere in
// .dockercfg, a path is the way to an API that no longer counts (docker's
// ConvertToHostname, containers' normalizeAuthFileKey); elsewhere it is a namespace. The
// tokens of docker's web login and keys that are no address are kept to the letter.
func fileAddress(key string, f authfile.Format) store.Address {
	a := store.ParseAddress(key)
	if a.Opaque() {
		return a
	}
	if f == authfile.DockercfgFormat || strings.Contains(key, "://") {
		a = a.Registry()
	}
	return store.ParseAddress(lookup.ServerURL(a))
}

// rank orders the spellings of one registry in a file: both tools ask for one spelling
// first and search the others only after it, in no order that could be relied on.
func (l Login) rank(f authfile.Format) int {
	first := l.Address.String() // of an opaque key, the key
	if !l.Address.Opaque() {
		first = lookup.ServerURL(l.Address)
	}
	if f == authfile.Containers && l.Address.Hub() {
		first = store.HubHost
	}
	switch {
	case l.key == first:
		return 0
	case strings.HasPrefix(l.key, "http://"):
		return 2
	}
	return 1
}

// removeEntries takes the entries out that are still what was imported: somebody may have
// logged in meanwhile. An entry that is gone is no matter.
func removeEntries(d *authfile.Document, logins []Login) (left []Failure) {
	now := make(map[string]Login)
	for _, l := range fileLogins(d) {
		now[l.key] = l
	}
	for _, l := range logins {
		found, there := now[l.key]
		switch {
		case !there:
		case found.err != nil || found.Marker || !found.is(l):
			left = append(left, *l.failure("it changed meanwhile and was not removed"))
		case found.keep != "":
			left = append(left, *l.failure("not removed: " + found.keep))
		default:
			d.RemoveAuth(l.key)
		}
	}
	return left
}

// name is how messages name the registry of a login.
func (l Login) name() string { return app.Shown(l.Address) }

// failure says why a login was not moved or removed. Where the source spells the registry
// in another way, it is named so, too.
func (l Login) failure(reason string) *Failure {
	if l.key != l.name() {
		reason = fmt.Sprintf("%s (%q there)", reason, printable.Line(printable.Address(l.key), 200))
	}
	return &Failure{Registry: l.name(), Username: l.username, Message: reason}
}

// Absent reports whether an error says only that a source is not there.
func Absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
