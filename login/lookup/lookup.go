// Package lookup finds the credential that a registry would get, in the order in which the
// container tools look, and where a new one goes.
package lookup

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"regshape/login/app"
	"regshape/store"
)

// Answer is a credential as one source has it, with its key there as ServerURL.
type Answer struct {
	store.Credential
	For   store.Address // the registry or namespace that the source uses it for
	Own   bool          // the whole entry of a store of regshape's
	Where string        // where more exactly than the source says, or ""
}

// Source is one place where a credential for a registry may be.
type Source struct {
	Kind  string // the step of the chain, for JSON
	Where string // the file or program, for messages
	keys  string // what a helper is asked for
	final bool   // docker and podman ask nobody else when it has nothing
	next  bool   // podman asks the next source when it fails
	// Look returns nil where there is nothing for the registry. A source that cannot be
	// read is an error, never a miss.
	Look func() (*Answer, error)
	// Erase removes what Look found, in all its spellings; nil where regshape cannot.
	Erase func(found Answer) error
}

// The steps of the chain, as JSON names them.
const (
	FromCommandLine = "command-line"
	fromAuthfile    = "authfile"
	fromEnvironment = "DOCKER_AUTH_CONFIG"
	fromCredHelpers = "credHelpers"
	fromRegistries  = "registries.conf"
	FromStore       = "store"
	fromForward     = "forward"
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
	Idle    bool // start no program of a login: its secret may be missing
}

// Sources is the chain: the first that has something wins. The order is that of docker
// and podman, with regshape's own store where they have their helper.
func (q Query) Sources() []Source {
	if only, ok := Only(q.E); ok {
		return q.withForward(append(q.commandLine(), q.onlyFile(only)...))
	}
	// Settings of several tools often name the same helper.
	return q.withForward(Unique(slices.Concat(
		q.commandLine(),
		q.variable(),
		q.credHelpers(),
		q.registriesConf(),
		[]Source{q.storeOf(FromStore, q.E.Profile)},
		q.credsStore(),
		q.files(),
	), func(s Source) string { return s.Where + "\x00" + s.keys }))
}

// withForward puts what other machines lend behind regshape's own store, for which alone the
// helper asks them.
func (q Query) withForward(list []Source) []Source {
	at := slices.IndexFunc(list, func(s Source) bool { return s.Where == ownStore })
	if at < 0 || q.Idle || q.E.Store != "" {
		return list
	}
	forward := q.forward()
	forward.final, list[at].final = list[at].final, false
	return slices.Insert(list, at+1, forward)
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

// other notes a further place, unless it is docker's file, which podman reads like docker.
func (r *resolution) other(m Match) {
	same := func(s Source, found *Answer) bool {
		return s.Where == m.From.Where && (found == nil || m.Found == nil || found.ServerURL == m.Found.ServerURL)
	}
	if r.Found != nil && same(r.From, r.Found) || slices.ContainsFunc(r.Others, func(o Match) bool { return same(o.From, o.Found) }) {
		return
	}
	r.Others = append(r.Others, m)
}

// Resolve finds what would be used. With others set it also asks the sources after the one
// that has it. -u NAME without a password skips other users' credentials.
//
// Like podman it goes on past a helper of registries.conf that fails, and reports that if
// no other source has something.
func (q Query) Resolve(others bool) (resolution, error) {
	r := resolution{From: Source{Kind: FromNowhere}}
	decided := false
	var failed error
	for _, s := range q.Sources() {
		found, err := s.Look()
		if found != nil && found.Where != "" {
			s.Where = found.Where
		}
		if found != nil && app.GivenUsername(q.E) != "" && found.Username != app.GivenUsername(q.E) {
			found = nil
		}
		switch {
		case decided && (found != nil || err != nil):
			r.other(Match{s, found, err})
		case decided:
		case err != nil && s.next && q.E.Ctx.Err() == nil:
			r.other(Match{s, nil, err})
			failed = errors.Join(failed, s.Failed(err))
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
	if r.Found == nil && failed != nil {
		return r, failed
	}
	return r, nil
}

// Candidates are the addresses that may answer, the longest scope first and the bare
// registry last, as podman looks a namespaced login up.
func (q Query) Candidates() []store.Address {
	list := q.Address.Bare().Lookups()
	if q.Address.Scope() != "" {
		list = append(list, q.Address.Registry().Bare())
	}
	return list
}

// answer is what a file or a helper has under a key.
func answer(key, username, secret string, identityToken bool) *Answer {
	c := store.Credential{ServerURL: key, Username: username, Secret: secret, Kind: store.KindPassword}
	if identityToken {
		c.Kind = store.KindIdentityToken
	}
	return &Answer{Credential: c, For: c.Address().Bare()}
}

// FromEntry is the answer of an entry of another tool's file.
func FromEntry(e Entry) *Answer {
	a := answer(e.Key, e.Username, e.Secret, e.IdentityToken)
	a.For = e.Address
	return a
}
