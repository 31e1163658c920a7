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

// Answer is a credential as one source gives it. ServerURL is its key there.
type Answer struct {
	store.Credential
	Own bool // the whole entry of a store of regshape's
}

// Source is one place where a credential for a registry may be.
type Source struct {
	Kind  string // the step of the chain, for JSON
	Where string // the file or program, for messages
	// final: docker and podman ask nobody else when this source has nothing.
	final bool
	// Look returns nil where there is nothing for the registry. A source that cannot be
	// read is an error, never a miss.
	Look func() (*Answer, error)
	// Erase removes what look found; nil where regshape cannot.
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

// Query is a registry, or a scope of one, that a credential is looked for.
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
	chain := slices.Concat(
		q.commandLine(),
		q.variable(),
		q.credHelpers(),
		q.registriesConf(),
		q.ownStore(),
		q.credsStore(),
		q.files(),
	)
	return firstOfEach(chain)
}

// firstOfEach drops a place that the chain has already asked: settings of several tools
// often name the same helper.
func firstOfEach(chain []Source) []Source {
	seen := map[string]bool{}
	return slices.DeleteFunc(chain, func(s Source) bool {
		known := seen[s.Where]
		seen[s.Where] = true
		return known
	})
}

// resolution is the outcome of a chain.
type resolution struct {
	From   Source // fromNowhere where nothing was found
	Found  *Answer
	Others []Match
}

// Match is a further place that has something for the registry, or cannot be read.
type Match struct {
	From  Source
	Found *Answer
	Err   error
}

// Resolve finds what would be used. With others set it also asks the sources behind the
// winner. -u NAME without a password passes over other users' credentials.
func (q Query) Resolve(others bool) (resolution, error) {
	r := resolution{From: Source{Kind: FromNowhere}}
	decided := false
	for _, s := range q.Sources() {
		found, err := s.Look()
		if found != nil && q.E.GivenUsername() != "" && found.Username != q.E.GivenUsername() {
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
