package login

import (
	"errors"
	"fmt"
	"io/fs"

	"regshape/login/authfile"
	"regshape/store"
)

// commandLine is what was given with this very command; both parts or nothing.
func (w wanted) commandLine() []source {
	username, secret := w.e.username(), w.e.Password
	if secret == "" {
		secret = w.e.Getenv("REGSHAPE_PASSWORD")
	}
	if username == "" || secret == "" {
		return nil
	}
	return []source{{kind: fromCommandLine, where: "the command line", look: func() (*answer, error) {
		return &answer{username: username, secret: secret}, nil
	}}}
}

// onlyFile is the file that takes everything else's place.
func (w wanted) onlyFile(path, namedBy string) source {
	s := w.file(place{"podman", path, authfile.Containers})
	s.kind, s.where = fromAuthfile, fmt.Sprintf("%s (%s)", path, namedBy)
	return s
}

// variable is docker's configuration in an environment variable.
func (w wanted) variable() []source {
	text := w.e.Getenv("DOCKER_AUTH_CONFIG")
	if text == "" {
		return nil
	}
	return []source{{kind: fromEnvironment, where: "$DOCKER_AUTH_CONFIG", look: func() (*answer, error) {
		d, err := authfile.Parse("$DOCKER_AUTH_CONFIG", []byte(text), authfile.Docker)
		if err != nil {
			return nil, err
		}
		return w.in(d)
	}}}
}

// credHelpers is the helper that docker's or podman's settings name for this registry.
func (w wanted) credHelpers() []source {
	var list []source
	for _, p := range w.e.places() {
		if p.format == authfile.DockercfgFormat || p.tool != "docker" && p.tool != "podman" {
			continue
		}
		name, err := w.credHelper(p)
		switch {
		case err != nil:
			list = append(list, broken(fromCredHelpers, p.path, err))
		case name != "":
			s := w.helper(fromCredHelpers, name)
			s.final = true
			list = append(list, s)
		}
	}
	return list
}

// credHelper is the helper that one file names for the registry; "" for none.
func (w wanted) credHelper(p place) (string, error) {
	d, err := authfile.Read(p.path, p.format)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, candidate := range w.candidates() {
		for _, h := range d.CredHelpers() {
			if bare(store.ParseAddress(h.Host)) == candidate.String() {
				return h.Helper, nil
			}
		}
	}
	return "", nil
}

// registriesConf are podman's helpers for every registry, in its order.
func (w wanted) registriesConf() []source {
	names, from, err := authfile.CredentialHelpers(w.e.where())
	if err != nil {
		return []source{broken(fromRegistries, "registries.conf", err)}
	}
	var list []source
	for _, name := range names {
		if from != "" && name != authfile.AuthFileHelper {
			list = append(list, w.helper(fromRegistries, name))
		}
	}
	return list
}

// ownStore is regshape's own.
func (w wanted) ownStore() []source {
	return []source{w.storeOf(fromStore, w.e.Profile)}
}

// credsStore is docker's helper for every registry.
func (w wanted) credsStore() []source {
	path := authfile.DockerConfig(w.e.where())
	d, err := authfile.Read(path, authfile.Docker)
	switch {
	case path == "", errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return []source{broken(fromCredsStore, path, err)}
	case d.CredsStore() == "":
		return nil
	}
	return []source{w.helper(fromCredsStore, d.CredsStore())}
}

// files are the logins that tools keep unencrypted.
func (w wanted) files() []source {
	var list []source
	for _, p := range w.e.places() {
		list = append(list, w.file(p))
	}
	return list
}

func (w wanted) file(p place) source {
	return source{
		kind: fromFile, where: p.path,
		look: func() (*answer, error) {
			d, err := authfile.Read(p.path, p.format)
			if errors.Is(err, fs.ErrNotExist) {
				return nil, nil //nolint:nilnil // nothing found is no error
			}
			if err != nil {
				return nil, err
			}
			return w.in(d)
		},
		erase: func(key string) error {
			return w.e.update(p.path, p.format, func(d *authfile.Document) error {
				d.RemoveAuth(key)
				return nil
			})
		},
	}
}

// in finds the registry in a document: the longest scope first; of several spellings of
// one address the plain one, which is what tools write today.
func (w wanted) in(d *authfile.Document) (*answer, error) {
	entries := d.Entries()
	for _, candidate := range w.candidates() {
		var match *authfile.Entry
		for i, entry := range entries {
			if entry.Marker || bare(store.ParseAddress(entry.Key)) != candidate.String() {
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
			return nil, fmt.Errorf("the entry of %s: %w", shown(candidate), match.Err)
		}
		return fromEntry(*match), nil
	}
	return nil, nil //nolint:nilnil // nothing found is no error
}

// helper asks a credential helper by the name that settings have for it. regshape's own
// are answered by the store itself.
func (w wanted) helper(kind, name string) source {
	if profile, own := ownProfile(name, w.e.Profile); own {
		return w.storeOf(kind, profile)
	}
	h := w.e.foreign(name)
	return source{
		kind: kind, where: h.Program(),
		look: func() (*answer, error) {
			for _, key := range w.helperKeys() {
				username, secret, err := h.Get(w.e.ctx, key)
				if errors.Is(err, authfile.ErrNoEntry) {
					continue
				}
				if err != nil {
					return nil, err
				}
				return &answer{username: username, secret: secret, identityToken: username == authfile.TokenUser, key: key}, nil
			}
			return nil, nil //nolint:nilnil // nothing found is no error
		},
		erase: func(key string) error { return h.Erase(w.e.ctx, key) },
	}
}

// helperKeys are what clients ask helpers for: the repository, then the registry.
func (w wanted) helperKeys() []string {
	keys := []string{serverURL(w.address)}
	if w.address.Scope() != "" {
		keys = append(keys, serverURL(w.address.Registry()))
	}
	return keys
}

func (w wanted) storeOf(kind, profile string) source {
	s := source{kind: kind, where: "regshape's store"}
	if profile != "" {
		s.where = "regshape's store, profile " + profile
	}
	s.look = func() (*answer, error) {
		opened, err := w.e.openProfile(profile)
		if err != nil {
			return nil, err
		}
		for _, address := range []store.Address{w.address, w.address.Registry()} {
			c, err := opened.Get(w.e.ctx, address)
			if err == nil {
				return &answer{username: c.Username, secret: c.Secret, identityToken: c.Kind == store.KindIdentityToken, key: c.ServerURL, entry: &c}, nil
			}
			if !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
		}
		return nil, nil //nolint:nilnil // nothing found is no error
	}
	s.erase = func(key string) error {
		opened, err := w.e.openProfile(profile)
		if err == nil {
			_, err = opened.Erase(w.e.ctx, store.ParseAddress(key))
		}
		return err
	}
	return s
}

// broken stands for a source that cannot even be listed.
func broken(kind, where string, err error) source {
	return source{kind: kind, where: where, look: func() (*answer, error) { return nil, err }}
}

// bare is the canonical address as it is stored: files of tools spell a registry with or
// without a scheme and mean the same.
func bare(a store.Address) string {
	if a.Opaque() {
		return a.String()
	}
	return store.ParseAddress(serverURL(a)).String()
}
