package lookup

import (
	"errors"
	"fmt"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/store"
)

// commandLine is what was given with this very command; both parts or nothing.
func (q Query) commandLine() []Source {
	username, secret := app.GivenUsername(q.E), q.E.Password
	if secret == "" {
		secret = q.E.Getenv("REGSHAPE_PASSWORD")
	}
	if username == "" || secret == "" {
		return nil
	}
	return []Source{{Kind: FromCommandLine, Where: "the command line", Look: func() (*Answer, error) {
		return answer("", username, secret, false), nil
	}}}
}

// onlyFile is the file that takes everything else's place.
func (q Query) onlyFile(path, namedBy string) Source {
	s := q.file(Place{"podman", path, authfile.Containers})
	s.Kind, s.Where = fromAuthfile, fmt.Sprintf("%s (%s)", path, namedBy)
	return s
}

// variable is docker's configuration in an environment variable.
func (q Query) variable() []Source {
	text := q.E.Getenv("DOCKER_AUTH_CONFIG")
	if text == "" {
		return nil
	}
	return []Source{{Kind: fromEnvironment, Where: "$DOCKER_AUTH_CONFIG", Look: func() (*Answer, error) {
		d, err := authfile.Parse("$DOCKER_AUTH_CONFIG", []byte(text), authfile.Docker)
		if err != nil {
			return nil, err
		}
		return q.in(d)
	}}}
}

// credHelpers is the helper that docker's or podman's settings name for this registry.
func (q Query) credHelpers() []Source {
	var list []Source
	for _, p := range helperPlaces(q.E) {
		name, err := q.credHelper(p)
		switch {
		case err != nil:
			list = append(list, broken(fromCredHelpers, p.Path, err))
		case name != "":
			s := q.helper(fromCredHelpers, name)
			s.final = true
			list = append(list, s)
		}
	}
	return list
}

// credHelper is the helper that one file names for the registry; "" for none.
func (q Query) credHelper(p Place) (string, error) {
	d, err := Read(p.Path, p.Format)
	if err != nil {
		return "", err
	}
	for _, candidate := range q.Candidates() {
		for _, h := range d.CredHelpers() {
			if store.ParseAddress(h.Host).Bare().String() == candidate.String() {
				return h.Helper, nil
			}
		}
	}
	return "", nil
}

// registriesConf are podman's helpers for every registry, in its order.
func (q Query) registriesConf() []Source {
	names, from, err := authfile.CredentialHelpers(q.E.Where())
	if err != nil {
		return []Source{broken(fromRegistries, "registries.conf", err)}
	}
	var list []Source
	for _, name := range names {
		if from != "" && name != authfile.AuthFileHelper {
			list = append(list, q.helper(fromRegistries, name))
		}
	}
	return list
}

// credsStore is docker's helper for every registry.
func (q Query) credsStore() []Source {
	path := authfile.DockerConfig(q.E.Where())
	d, err := Read(path, authfile.Docker)
	switch {
	case err != nil:
		return []Source{broken(fromCredsStore, path, err)}
	case d.CredsStore() == "":
		return nil
	}
	return []Source{q.helper(fromCredsStore, d.CredsStore())}
}

// files are the logins that tools keep unencrypted.
func (q Query) files() []Source {
	var list []Source
	for _, p := range Places(q.E) {
		list = append(list, q.file(p))
	}
	return list
}

func (q Query) file(p Place) Source {
	return Source{
		Kind: fromFile, Where: p.Path,
		Look: func() (*Answer, error) {
			d, err := Read(p.Path, p.Format)
			if err != nil {
				return nil, err
			}
			return q.in(d)
		},
		Erase: func(key string) error {
			return Update(q.E, p.Path, p.Format, func(d *authfile.Document) error {
				d.RemoveAuth(key)
				return nil
			})
		},
	}
}

// in finds the registry in a document: the longest scope first; of several spellings of
// one address the plain one, which is what tools write today.
func (q Query) in(d *authfile.Document) (*Answer, error) {
	entries := d.Entries()
	for _, candidate := range q.Candidates() {
		var match *authfile.Entry
		for i, entry := range entries {
			if entry.Marker || store.ParseAddress(entry.Key).Bare().String() != candidate.String() {
				continue
			}
			if match == nil || entry.Key == candidate.String() || entry.Key == candidate.Host() {
				match = &entries[i]
			}
		}
		if match == nil {
			continue
		}
		if match.Err != nil {
			return nil, fmt.Errorf("the entry of %s: %w", candidate.Name(), match.Err)
		}
		return FromEntry(*match), nil
	}
	return nil, nil //nolint:nilnil // nothing found is not an error
}

// helper asks a credential helper by the name that settings have for it. regshape's own
// are answered by the store itself.
func (q Query) helper(kind, name string) Source {
	if profile, own := ownProfile(name, q.E.Profile); own {
		return q.storeOf(kind, profile)
	}
	h := q.E.Foreign(name)
	return Source{
		Kind: kind, Where: h.Program(),
		Look: func() (*Answer, error) {
			for _, key := range q.helperKeys() {
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
		Erase: func(key string) error { return h.Erase(q.E.Ctx, key) },
	}
}

// helperKeys are what clients ask helpers for: the repository, then the registry.
func (q Query) helperKeys() []string {
	keys := []string{q.Address.Bare().String()}
	if q.Address.Scope() != "" {
		keys = append(keys, q.Address.Registry().Bare().String())
	}
	return keys
}

func (q Query) storeOf(kind, profile string) Source {
	s := Source{Kind: kind, Where: "regshape's store"}
	if profile != "" {
		s.Where = "regshape's store, profile " + profile
	}
	s.Look = func() (*Answer, error) {
		opened, err := app.OpenProfile(q.E, profile)
		if err != nil {
			return nil, err
		}
		for _, address := range []store.Address{q.Address, q.Address.Registry()} {
			c, err := opened.Get(q.E.Ctx, address)
			if err == nil {
				return &Answer{c, true}, nil
			}
			if !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
		}
		return nil, nil //nolint:nilnil // nothing found is not an error
	}
	s.Erase = func(key string) error {
		opened, err := app.OpenProfile(q.E, profile)
		if err == nil {
			_, err = opened.Erase(q.E.Ctx, store.ParseAddress(key))
		}
		return err
	}
	return s
}

// broken is a source whose settings cannot be read.
func broken(kind, where string, err error) Source {
	return Source{Kind: kind, Where: where, Look: func() (*Answer, error) { return nil, err }}
}
