package lookup

import (
	"errors"
	"fmt"
	"io/fs"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/store"
)

// commandLine is what was given with this very command; both parts or nothing.
func (w Query) commandLine() []Source {
	username, secret := w.E.GivenUsername(), w.E.Password
	if secret == "" {
		secret = w.E.Getenv("REGSHAPE_PASSWORD")
	}
	if username == "" || secret == "" {
		return nil
	}
	return []Source{{Kind: FromCommandLine, Where: "the command line", Look: func() (*Answer, error) {
		return &Answer{Username: username, Secret: secret}, nil
	}}}
}

// onlyFile is the file that takes everything else's place.
func (w Query) onlyFile(path, namedBy string) Source {
	s := w.file(Place{"podman", path, authfile.Containers})
	s.Kind, s.Where = fromAuthfile, fmt.Sprintf("%s (%s)", path, namedBy)
	return s
}

// variable is docker's configuration in an environment variable.
func (w Query) variable() []Source {
	text := w.E.Getenv("DOCKER_AUTH_CONFIG")
	if text == "" {
		return nil
	}
	return []Source{{Kind: fromEnvironment, Where: "$DOCKER_AUTH_CONFIG", Look: func() (*Answer, error) {
		d, err := authfile.Parse("$DOCKER_AUTH_CONFIG", []byte(text), authfile.Docker)
		if err != nil {
			return nil, err
		}
		return w.in(d)
	}}}
}

// credHelpers is the helper that docker's or podman's settings name for this registry.
func (w Query) credHelpers() []Source {
	var list []Source
	for _, p := range Places(w.E) {
		if p.Format == authfile.DockercfgFormat || p.Tool != "docker" && p.Tool != "podman" {
			continue
		}
		name, err := w.credHelper(p)
		switch {
		case err != nil:
			list = append(list, broken(fromCredHelpers, p.Path, err))
		case name != "":
			s := w.helper(fromCredHelpers, name)
			s.final = true
			list = append(list, s)
		}
	}
	return list
}

// credHelper is the helper that one file names for the registry; "" for none.
func (w Query) credHelper(p Place) (string, error) {
	d, err := authfile.Read(p.Path, p.Format)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, candidate := range w.Candidates() {
		for _, h := range d.CredHelpers() {
			if Bare(store.ParseAddress(h.Host)) == candidate.String() {
				return h.Helper, nil
			}
		}
	}
	return "", nil
}

// registriesConf are podman's helpers for every registry, in its order.
func (w Query) registriesConf() []Source {
	names, from, err := authfile.CredentialHelpers(w.E.Where())
	if err != nil {
		return []Source{broken(fromRegistries, "registries.conf", err)}
	}
	var list []Source
	for _, name := range names {
		if from != "" && name != authfile.AuthFileHelper {
			list = append(list, w.helper(fromRegistries, name))
		}
	}
	return list
}

// ownStore is regshape's own.
func (w Query) ownStore() []Source {
	return []Source{w.storeOf(FromStore, w.E.Profile)}
}

// credsStore is docker's helper for every registry.
func (w Query) credsStore() []Source {
	path := authfile.DockerConfig(w.E.Where())
	d, err := authfile.Read(path, authfile.Docker)
	switch {
	case path == "", errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return []Source{broken(fromCredsStore, path, err)}
	case d.CredsStore() == "":
		return nil
	}
	return []Source{w.helper(fromCredsStore, d.CredsStore())}
}

// files are the logins that tools keep unencrypted.
func (w Query) files() []Source {
	var list []Source
	for _, p := range Places(w.E) {
		list = append(list, w.file(p))
	}
	return list
}

func (w Query) file(p Place) Source {
	return Source{
		Kind: fromFile, Where: p.Path,
		Look: func() (*Answer, error) {
			d, err := authfile.Read(p.Path, p.Format)
			if errors.Is(err, fs.ErrNotExist) {
				return nil, nil //nolint:nilnil // nothing found is no error
			}
			if err != nil {
				return nil, err
			}
			return w.in(d)
		},
		Erase: func(key string) error {
			return Update(w.E, p.Path, p.Format, func(d *authfile.Document) error {
				d.RemoveAuth(key)
				return nil
			})
		},
	}
}

// in finds the registry in a document: the longest scope first; of several spellings of
// one address the plain one, which is what tools write today.
func (w Query) in(d *authfile.Document) (*Answer, error) {
	entries := d.Entries()
	for _, candidate := range w.Candidates() {
		var match *authfile.Entry
		for i, entry := range entries {
			if entry.Marker || Bare(store.ParseAddress(entry.Key)) != candidate.String() {
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
			return nil, fmt.Errorf("the entry of %s: %w", app.Shown(candidate), match.Err)
		}
		return FromEntry(*match), nil
	}
	return nil, nil //nolint:nilnil // nothing found is no error
}

// helper asks a credential helper by the name that settings have for it. regshape's own
// are answered by the store itself.
func (w Query) helper(kind, name string) Source {
	if profile, own := ownProfile(name, w.E.Profile); own {
		return w.storeOf(kind, profile)
	}
	h := w.E.Foreign(name)
	return Source{
		Kind: kind, Where: h.Program(),
		Look: func() (*Answer, error) {
			for _, key := range w.helperKeys() {
				username, secret, err := h.Get(w.E.Ctx, key)
				if errors.Is(err, authfile.ErrNoEntry) {
					continue
				}
				if err != nil {
					return nil, err
				}
				return &Answer{Username: username, Secret: secret, IdentityToken: username == authfile.TokenUser, Key: key}, nil
			}
			return nil, nil //nolint:nilnil // nothing found is no error
		},
		Erase: func(key string) error { return h.Erase(w.E.Ctx, key) },
	}
}

// helperKeys are what clients ask helpers for: the repository, then the registry.
func (w Query) helperKeys() []string {
	keys := []string{ServerURL(w.Address)}
	if w.Address.Scope() != "" {
		keys = append(keys, ServerURL(w.Address.Registry()))
	}
	return keys
}

func (w Query) storeOf(kind, profile string) Source {
	s := Source{Kind: kind, Where: "regshape's store"}
	if profile != "" {
		s.Where = "regshape's store, profile " + profile
	}
	s.Look = func() (*Answer, error) {
		opened, err := app.OpenProfile(w.E, profile)
		if err != nil {
			return nil, err
		}
		for _, address := range []store.Address{w.Address, w.Address.Registry()} {
			c, err := opened.Get(w.E.Ctx, address)
			if err == nil {
				return &Answer{Username: c.Username, Secret: c.Secret, IdentityToken: c.Kind == store.KindIdentityToken, Key: c.ServerURL, Entry: &c}, nil
			}
			if !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
		}
		return nil, nil //nolint:nilnil // nothing found is no error
	}
	s.Erase = func(key string) error {
		opened, err := app.OpenProfile(w.E, profile)
		if err == nil {
			_, err = opened.Erase(w.E.Ctx, store.ParseAddress(key))
		}
		return err
	}
	return s
}

// broken stands for a source that cannot even be listed.
func broken(kind, where string, err error) Source {
	return Source{Kind: kind, Where: where, Look: func() (*Answer, error) { return nil, err }}
}

// Bare is the canonical address as it is stored: files of tools spell a registry with or
// without a scheme and mean the same.
func Bare(a store.Address) string {
	if a.Opaque() {
		return a.String()
	}
	return store.ParseAddress(ServerURL(a)).String()
}
