package login

import (
	"fmt"
	"slices"
	"strings"

	"regshape/login/authfile"
	"regshape/login/registry"
	"regshape/store"
)

// answer is a credential as one source gives it.
type answer struct {
	username, secret string
	identityToken    bool
	key              string            // what the source has it under
	entry            *store.Credential // the whole entry, from a store of regshape's
}

// source is one place where a credential for a registry may be.
type source struct {
	kind  string // the step of the chain, for JSON
	where string // the file or program, for messages
	// final: docker and podman ask nobody else when this source has nothing.
	final bool
	// look returns nil where there is nothing for the registry. A source that cannot be
	// read is an error, never a miss.
	look func() (*answer, error)
	// erase removes what look found; nil where regshape cannot.
	erase func(key string) error
}

// The steps of the chain, as JSON names them.
const (
	fromCommandLine = "command-line"
	fromAuthfile    = "authfile"
	fromEnvironment = "DOCKER_AUTH_CONFIG"
	fromCredHelpers = "credHelpers"
	fromRegistries  = "registries.conf"
	fromStore       = "store"
	fromCredsStore  = "credsStore"
	fromFile        = "auths"
	fromNowhere     = "anonymous"
)

// failed says which source an error is about, unless the error already names it.
func (s source) failed(err error) error {
	if strings.Contains(err.Error(), s.where) {
		return err
	}
	return fmt.Errorf("%s: %w", s.where, err)
}

// wanted is a registry, or a scope of one, that a credential is looked for.
type wanted struct {
	e       *env
	address store.Address
}

// sources is the chain: the first that has something wins. The order is that of docker
// and podman, with regshape's own store where they have their helper.
func (w wanted) sources() []source {
	if path, by := w.e.authfile(); path != "" {
		return append(w.commandLine(), w.onlyFile(path, by))
	}
	chain := slices.Concat(
		w.commandLine(),
		w.variable(),
		w.credHelpers(),
		w.registriesConf(),
		w.ownStore(),
		w.credsStore(),
		w.files(),
	)
	return firstOfEach(chain)
}

// firstOfEach drops a place that the chain has already asked: settings of several tools
// often name the same helper.
func firstOfEach(chain []source) []source {
	seen := map[string]bool{}
	return slices.DeleteFunc(chain, func(s source) bool {
		known := seen[s.where]
		seen[s.where] = true
		return known
	})
}

// resolution is the outcome of a chain.
type resolution struct {
	from   source // fromNowhere where nothing was found
	found  *answer
	others []holding
}

// holding is a further place that has something for the registry, or cannot be read.
type holding struct {
	from  source
	found *answer
	err   error
}

// resolve finds what would be used. With others set it also asks the sources behind the
// winner. -u NAME without a password passes over other users' credentials.
func (w wanted) resolve(others bool) (resolution, error) {
	r := resolution{from: source{kind: fromNowhere}}
	decided := false
	for _, s := range w.sources() {
		found, err := s.look()
		if found != nil && w.e.username() != "" && found.username != w.e.username() {
			found = nil
		}
		switch {
		case decided && (found != nil || err != nil):
			r.others = append(r.others, holding{s, found, err})
		case decided:
		case err != nil:
			return r, s.failed(err)
		case found != nil:
			r.from, r.found, decided = s, found, true
		case s.final:
			decided = true
		}
		if decided && !others {
			break
		}
	}
	return r, nil
}

// candidates are the addresses that may answer, the longest scope first and the bare
// registry last, as podman looks a namespaced login up.
func (w wanted) candidates() []store.Address {
	list := w.address.Lookups()
	if w.address.Scope() != "" {
		list = append(list, w.address.Registry())
	}
	return list
}

// openProfile opens the store of a profile beside the one that the flags name.
func (e *env) openProfile(profile string) (*store.Store, error) {
	loc, err := e.locateProfile(profile)
	if err != nil {
		return nil, err
	}
	return store.Open(loc, e.sources())
}

// credential is an answer as the registry client takes it.
func (a *answer) credential() registry.Credential {
	return registry.Credential{Username: a.username, Secret: a.secret, IdentityToken: a.identityToken}
}

func fromEntry(entry authfile.Entry) *answer {
	return &answer{username: entry.Username, secret: entry.Secret, identityToken: entry.IdentityToken, key: entry.Key}
}
