// Package lookup finds the credential that a registry would get, in the order in which the
// container tools look, and where a new one goes.
package lookup

import (
	"fmt"
	"slices"
	"strings"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/store"
)

// Answer is a credential as one source has it, with its key there as ServerURL.
type Answer struct {
	store.Credential
	Own bool // the whole entry of a store of regshape's
}

// Source is one place where a credential for a registry may be.
type Source struct {
	Kind  string // the step of the chain, for JSON
	Where string // the file or program, for messages
	final bool   // docker and podman ask nobody else when it has nothing
	// Look returns nil where there is nothing for the registry. A source that cannot be
	// read is an error, never a miss.
	Look func() (*Answer, error)
	// Erase removes what Look found; nil where regshape cannot.
	Erase func(key string) error
}

// The steps of the chain, as JSON names them.
const (
	FromCommandLine = "command-line"
	fromAuthfile    = "authfile"
	fromEnvironment = "DOCKER_AUTH_CONFIG"
	fromCredHelpers = "credHelpers"
	fromRegistries  = "registries.conf"
	FromStore       = "store"
	fromCredsStore  = "credsStore"
	fromFile        = "auths"
	FromNowhere     = "anonymous"
)

// Failed says which source an error is about, unless the error already names it.
func (s Source) Failed(err error) error {
	if strings.Contains(err.Error(), s.Where) {
		return err
	}
	return fmt.Errorf("%s: %w", s.Where, err)
}

// Query asks for the credential of a registry, or of a scope of one.
type Query struct {
	E       *app.Env
	Address store.Address
}

// Sources is the chain: the first that has something wins. The order is that of docker
// and podman, with regshape's own store where they have their helper.
func (q Query) Sources() []Source {
	if path, by := q.E.OnlyFile(); path != "" {
		return append(q.commandLine(), q.onlyFile(path, by))
	}
	// Settings of several tools often name the same helper.
	return Unique(slices.Concat(
		q.commandLine(),
		q.variable(),
		q.credHelpers(),
		q.registriesConf(),
		[]Source{q.storeOf(FromStore, q.E.Profile)},
		q.credsStore(),
		q.files(),
	), func(s Source) string { return s.Where })
}

// Unique keeps the first of each name.
func Unique[T any](list []T, name func(T) string) []T {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(x T) bool {
		known := seen[name(x)]
		seen[name(x)] = true
		return known
	})
}

// resolution is what the chain gives.
type resolution struct {
	From   Source // its kind is FromNowhere where nothing was found
	Found  *Answer
	Others []Match
}

// Match is a further place that has something for the registry, or cannot be read.
type Match struct {
	From  Source
	Found *Answer
	Err   error
}

// Resolve finds what would be used. With others set it also asks the sources after the one
// that has it. -u NAME without a password skips other users' credentials.
func (q Query) Resolve(others bool) (resolution, error) {
	r := resolution{From: Source{Kind: FromNowhere}}
	decided := false
	for _, s := range q.Sources() {
		found, err := s.Look()
		if found != nil && app.GivenUsername(q.E) != "" && found.Username != app.GivenUsername(q.E) {
			found = nil
		}
		switch {
		case decided && (found != nil || err != nil):
			r.Others = append(r.Others, Match{s, found, err})
		case decided:
		case err != nil:
			return r, s.Failed(err)
		case found != nil:
			r.From, r.Found, decided = s, found, true
		case s.final:
			decided = true
		}
		if decided && !others {
			break
		}
	}
	return r, nil
}

// Candidates are the addresses that may answer, the longest scope first and the bare
// registry last, as podman looks a namespaced login up.
func (q Query) Candidates() []store.Address {
	list := q.Address.Lookups()
	if q.Address.Scope() != "" {
		list = append(list, q.Address.Registry())
	}
	return list
}

// answer is what a file or a helper has under a key.
func answer(key, username, secret string, identityToken bool) *Answer {
	a := &Answer{Credential: store.Credential{ServerURL: key, Username: username, Secret: secret, Kind: store.KindPassword}}
	if identityToken {
		a.Kind = store.KindIdentityToken
	}
	return a
}

// FromEntry is the answer of an entry of another tool's file.
func FromEntry(e authfile.Entry) *Answer {
	return answer(e.Key, e.Username, e.Secret, e.IdentityToken)
}
