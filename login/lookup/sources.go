package lookup

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/store"
	"regshape/store/lend"
	"regshape/store/printable"
)

// commandLine is what was given with this very command; both parts or nothing.
func (q Query) commandLine() []Source {
	username, secret := app.GivenUsername(q.E), q.E.Password // see app.TakeAccount
	if username == "" || secret == "" {
		return nil
	}
	return []Source{{Kind: FromCommandLine, Where: "the command line", Look: func() (*Answer, error) {
		return answer("", username, secret, false), nil
	}}}
}

// onlyFile is the file that takes everything else's place, and the helper that it names:
// whoever has credsStore there keeps no login in the file.
func (q Query) onlyFile(only OnlyPlace) []Source {
	s := q.file(only.Place)
	s.Kind, s.Where = fromAuthfile, fmt.Sprintf("%s (%s)", only.Path, only.By)
	d, err := Read(only.Path, only.Format)
	if err != nil {
		return []Source{broken(s.Kind, s.Where, err)}
	}
	if helper := q.credHelpersOf(only.Place, d); len(helper) > 0 {
		return helper
	}
	if name := only.credsStore(d); name != "" {
		s = q.helper(fromCredsStore, name, q.dockerKeys())
	}
	return []Source{s}
}

// variable is DOCKER_AUTH_CONFIG. docker takes its keys to the letter, and ignores all of it, with
// a message, where it has more than an "auth" for each. Source: docker/cli 29.9,
// cli/config/configfile (parseEnvConfig) and memorystore.
func (q Query) variable() []Source {
	const name = "$DOCKER_AUTH_CONFIG"
	text := q.E.Getenv(name[1:])
	if text == "" {
		return nil
	}
	return []Source{{Kind: fromEnvironment, Where: name, Look: func() (*Answer, error) {
		d, err := authfile.Parse(name, []byte(text), authfile.Docker)
		if err != nil {
			return nil, err
		}
		var known struct {
			Auths map[string]struct{ Auth string }
		}
		strict := json.NewDecoder(strings.NewReader(text))
		strict.DisallowUnknownFields()
		if strict.Decode(&known) != nil || slices.ContainsFunc(d.Entries(), func(e authfile.Entry) bool { return e.Marker || e.Err != nil }) {
			return nil, errors.New(`docker ignores it, as it takes only "auths" with a good "auth" each: unset it`)
		}
		for _, key := range q.dockerKeys() {
			if e, ok := d.Lookup(key); ok {
				return answer(key, e.Username, e.Secret, false), nil
			}
		}
		return nil, nil //nolint:nilnil // nothing found is not an error
	}}}
}

// InVariable reports whether docker finds a login in its variable, before any helper's.
func (q Query) InVariable() bool {
	for _, s := range q.variable() {
		if a, err := s.Look(); err == nil && a != nil {
			return true
		}
	}
	return false
}

// credHelpers is the helper that docker's or podman's settings name for this registry.
func (q Query) credHelpers() []Source {
	var list []Source
	for _, p := range helperPlaces(q.E) {
		d, err := Read(p.Path, p.Format)
		if err != nil {
			list = append(list, broken(fromCredHelpers, p.Path, err))
			continue
		}
		list = append(list, q.credHelpersOf(p, d)...)
	}
	return list
}

// credHelpersOf is what credHelpers of one file has for the registry: a helper or, where
// docker's file names none, that file itself. Podman cannot run a helper without a name.
func (q Query) credHelpersOf(p Place, d *authfile.Document) []Source {
	name, key, ok := q.credHelper(d)
	var s Source
	switch {
	case !ok:
		return nil
	case name != "":
		s = q.helper(fromCredHelpers, name, []string{key})
	case p.Format == authfile.Docker:
		s = q.file(p)
		s.Kind = fromCredHelpers
	default:
		return []Source{broken(fromCredHelpers, p.Path, fmt.Errorf("%w for %s", authfile.ErrNoHelper, printable.Address(key)))}
	}
	s.final = p.Format == authfile.Docker
	return []Source{s}
}

// credHelper is the helper that one file names for the registry, and the key there. The
// tools take the keys to the letter.
func (q Query) credHelper(d *authfile.Document) (name, key string, ok bool) {
	keys := q.dockerKeys()
	if d.Format() == authfile.Containers {
		keys = q.podmanKeys()
	}
	for _, key := range keys {
		for _, h := range d.CredHelpers() {
			if h.Host == key {
				return h.Helper, key, true
			}
		}
	}
	return "", "", false
}

// registriesConf are podman's helpers for every registry, in its order.
func (q Query) registriesConf() []Source {
	names, from, err := PodmanHelpers(q.E)
	if err != nil {
		return []Source{broken(fromRegistries, "registries.conf", err)}
	}
	if from == "" {
		return nil // podman's files come with all files
	}
	var list []Source
	for i, name := range names {
		switch {
		case name != authfile.AuthFileHelper:
			s := q.helper(fromRegistries, name, q.podmanKeys())
			s.next = true
			list = append(list, s)
		case i < len(names)-1: // else they come with all files
			for _, p := range PodmanPlaces(q.E) {
				list = append(list, q.file(p))
			}
		}
	}
	return list
}

// credsStore is docker's helper for every registry.
func (q Query) credsStore() []Source {
	path := authfile.DockerConfig(q.E.Where())
	d, err := Read(path, authfile.Docker)
	if err != nil {
		return []Source{broken(fromCredsStore, path, err)}
	}
	if name := DockerStore(d); name != "" {
		return []Source{q.helper(fromCredsStore, name, q.dockerKeys())}
	}
	return nil
}

// files are the logins that tools keep unencrypted. Podman, too, reads docker's file.
func (q Query) files() []Source {
	var list []Source
	for _, p := range append(Places(q.E), podmansDocker(q.E)...) {
		list = append(list, q.file(p))
	}
	return list
}

func (q Query) file(p Place) Source {
	s := Source{
		Kind: fromFile, Where: p.Path,
		Look: func() (*Answer, error) {
			d, err := Read(p.Path, p.Format)
			if err != nil {
				return nil, err
			}
			return q.in(d)
		},
		Erase: func(Answer) error {
			return Update(q.E, p.Path, p.Format, func(d *authfile.Document) error {
				q.remove(d)
				return nil
			})
		},
	}
	if p.Tool == "podman" {
		s.keys = p.Tool // docker may take another entry of the same file
	}
	return s
}

// in finds the registry in a document.
func (q Query) in(d *authfile.Document) (*Answer, error) {
	switch e, address := q.find(d); {
	case e == nil, e.Marker:
		return nil, nil //nolint:nilnil // nothing found is not an error
	case e.Err != nil:
		return nil, fmt.Errorf("the entry of %s: %w", address.Name(), e.Err)
	default:
		a := FromEntry(*e)
		a.For = address
		return a, nil
	}
}

// helper asks a credential helper by the name that settings have for it. regshape's own
// are answered by the store itself.
func (q Query) helper(kind, name string, keys []string) Source {
	if profile, own := ownProfile(name, q.E.Profile); own {
		return q.storeOf(kind, profile)
	}
	h := q.E.Foreign(name)
	return Source{
		Kind: kind, Where: h.Program(), keys: keys[len(keys)-1],
		Look: func() (*Answer, error) {
			for _, key := range keys {
				username, secret, err := h.Get(q.E.Ctx, key)
				if errors.Is(err, authfile.ErrNoEntry) {
					continue
				}
				if err != nil {
					return nil, err
				}
				return answer(key, username, secret, username == authfile.TokenUser), nil
			}
			return nil, nil //nolint:nilnil // nothing found is not an error
		},
		Erase: func(found Answer) error { return h.Erase(q.E.Ctx, found.ServerURL) },
	}
}

// dockerKeys are what docker and its relatives look up: crane asks for the repository
// first.
func (q Query) dockerKeys() []string {
	keys := []string{q.Address.Bare().String()}
	if q.Address.Scope() != "" {
		keys = append(keys, q.Address.Registry().Bare().String())
	}
	return keys
}

// podmanKeys is what podman, skopeo and buildah ask helpers for: the registry alone.
func (q Query) podmanKeys() []string {
	return []string{KeyIn(authfile.Containers, q.Address.Registry().Bare().String())}
}

const ownStore = "regshape's store"

func (q Query) storeOf(kind, profile string) Source {
	s := Source{Kind: kind, Where: ownStore}
	if profile != "" {
		s.Where += ", profile " + profile
	}
	s.Look = func() (*Answer, error) {
		opened, err := app.OpenProfile(q.E, profile)
		if err != nil {
			return nil, err
		}
		for _, address := range []store.Address{q.Address, q.Address.Registry()} {
			get := app.Logins(q.E, opened).Get
			if q.Idle {
				get = opened.Get
			}
			c, err := get(q.E.Ctx, address)
			if err == nil {
				return &Answer{Credential: c, For: c.Address().Bare(), Own: true}, nil
			}
			if !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
		}
		return nil, nil //nolint:nilnil // nothing found is not an error
	}
	s.Erase = func(found Answer) error {
		opened, err := app.OpenProfile(q.E, profile)
		if err == nil {
			_, err = app.Logins(q.E, opened).Erase(q.E.Ctx, found.Address())
		}
		return err
	}
	return s
}

// forward are the machines that lend logins here.
func (q Query) forward() Source {
	s := Source{Kind: fromForward, Where: "a forward"}
	s.Look = func() (*Answer, error) {
		for _, address := range []store.Address{q.Address, q.Address.Registry()} {
			c, from, err := lend.Ask(q.E.Ctx, address)
			if err == nil {
				return &Answer{Credential: c, For: c.Address().Bare(), Own: true, Where: "a forward from " + from}, nil
			}
			if !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
		}
		return nil, nil //nolint:nilnil // nothing found is not an error
	}
	return s
}

// broken is a source whose settings cannot be read.
func broken(kind, where string, err error) Source {
	return Source{Kind: kind, Where: where, Look: func() (*Answer, error) { return nil, err }}
}
