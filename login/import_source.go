package login

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"regshape/login/authfile"
	"regshape/login/registry"
	"regshape/store"
)

// importSource is a place that logins are moved out of: a file of another tool, or a
// helper.
type importSource struct {
	name string // for messages and JSON: the file's path, or "docker-credential-pass"
	tool string // "docker", "podman", "singularity", "microagent", or "" where only a path or helper is known
	file bool   // logins lie there unencrypted, in a file of this name

	// list returns all logins, markers and broken entries, in the order in which they
	// count. A source that is not there is [fs.ErrNotExist].
	list func(ctx context.Context) ([]importLogin, error)

	// remove takes logins away, each only if it still is what list returned. left names
	// the logins that stay, and why; err means that none was removed, or that it is not
	// known which were.
	remove func(ctx context.Context, logins []importLogin) (left []importFailure, err error)
}

// importLogin is one login of a source. Exactly one of these holds: err is set, marker
// is true, or username and secret are a login.
type importLogin struct {
	key           string        // as the source spells it
	address       store.Address // where it goes
	username      string        // authfile.TokenUser for an identity token
	secret        string
	identityToken bool  // secret is an OAuth2 refresh token
	marker        bool  // it says only that some helper holds a login
	err           error // it cannot be moved: why, never a secret
}

// String names the login without its secret.
func (l importLogin) String() string { return l.username + "@" + l.key }

// GoString hides the secret from %#v.
func (l importLogin) GoString() string { return l.String() }

// credential is what the store is given.
func (l importLogin) credential() store.Credential {
	c := store.Credential{ServerURL: l.key, Username: l.username, Secret: l.secret, Kind: store.KindPassword}
	if !l.address.Opaque() {
		c.ServerURL = serverURL(l.address)
	}
	if l.identityToken {
		c.Kind = store.KindIdentityToken
	}
	return c
}

// fileSource moves logins out of a file. Markers stay in it: docker and podman bear with
// them, and they hold no secret.
func fileSource(p place) importSource {
	return importSource{
		name: p.path, tool: p.tool, file: true,
		list: func(context.Context) ([]importLogin, error) {
			d, err := authfile.Read(p.path, p.format)
			if err != nil {
				return nil, err
			}
			return fileLogins(d), nil
		},
		remove: func(_ context.Context, logins []importLogin) (left []importFailure, err error) {
			_, err = authfile.Update(p.path, p.format, 0o600, func(d *authfile.Document) error {
				// A network file system may not find for a moment what is there.
				if info, err := os.Stat(p.path); err == nil && info.Size() > 0 && len(d.Bytes()) == 0 {
					return fmt.Errorf("%s was not found, and is there: try again in a minute", p.path)
				}
				left = removeEntries(d, logins)
				return nil
			})
			return left, err
		},
	}
}

// fileLogins reads the entries of a file. Several may mean one registry: the one that
// the file's own tool asks for comes first.
func fileLogins(d *authfile.Document) []importLogin {
	entries := d.Entries()
	logins := make([]importLogin, 0, len(entries))
	for _, e := range entries {
		logins = append(logins, importLogin{
			key: e.Key, address: fileAddress(e.Key, d.Format()), username: e.Username, secret: e.Secret,
			identityToken: e.IdentityToken, marker: e.Marker, err: e.Err,
		})
	}
	slices.SortStableFunc(logins, func(a, b importLogin) int {
		return keyRank(a.key, d.Format()) - keyRank(b.key, d.Format())
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
	return store.ParseAddress(serverURL(a))
}

// keyRank orders the spellings of one registry in a file: both tools ask for one spelling
// first and search the others only after it, in no order that could be relied on.
func keyRank(key string, f authfile.Format) int {
	hub := store.ParseAddress(key).Hub()
	first := hub && key == store.HubAddress || !hub && !strings.Contains(key, "://")
	if f == authfile.Containers {
		first = !strings.Contains(key, "://") && (!hub || key == store.HubHost)
	}
	switch {
	case first:
		return 0
	case strings.HasPrefix(key, "http://"):
		return 2
	}
	return 1
}

// removeEntries takes the entries out that are still what was imported: somebody may have
// logged in meanwhile. An entry that is gone is no matter.
func removeEntries(d *authfile.Document, logins []importLogin) (left []importFailure) {
	now := make(map[string]authfile.Entry)
	for _, e := range d.Entries() {
		now[e.Key] = e
	}
	for _, l := range logins {
		e, there := now[l.key]
		switch {
		case !there:
		case e.Err != nil || e.Marker || e.Username != l.username || e.Secret != l.secret || e.IdentityToken != l.identityToken:
			left = append(left, *l.failure("it changed meanwhile and was not removed"))
		default:
			d.RemoveAuth(l.key)
		}
	}
	return left
}

// name is how messages name the registry of a login.
func (l importLogin) name() string { return shown(l.address) }

// failure says why a login was not moved or removed. Where the source spells the registry
// in another way, it is named so, too.
func (l importLogin) failure(reason string) *importFailure {
	if l.key != l.name() {
		reason = fmt.Sprintf("%s (%q there)", reason, registry.Printable(l.key, 200))
	}
	return &importFailure{Registry: l.name(), Username: l.username, Message: reason}
}

// absent reports whether an error says only that a source is not there.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
