package login

import (
	"context"
	"fmt"

	"regshape/login/authfile"
	"regshape/store"
)

// destination is where a login goes.
type destination interface {
	put(ctx context.Context, c store.Credential) error
	// place is the folder, program or file, String the words for it.
	place() string
	String() string
}

// destination chooses: the one file that the user named, else the helper that docker's or
// podman's settings have for the registry, else regshape's own store. Nothing else is
// ever written in plaintext.
func (w wanted) destination() (destination, error) {
	if path, by := w.e.authfile(); path != "" {
		return fileDestination{w.e, path, by}, nil
	}
	for _, p := range w.e.places() {
		if p.format == authfile.DockercfgFormat || p.tool != "docker" && p.tool != "podman" {
			continue
		}
		name, err := w.credHelper(p)
		if err != nil {
			return nil, err
		}
		if name == "" {
			continue
		}
		if profile, own := ownProfile(name, w.e.Profile); own {
			return w.e.storeDestination(profile)
		}
		return helperDestination{w.e.foreign(name)}, nil
	}
	return w.e.storeDestination(w.e.Profile)
}

// storeDestination is regshape's own store.
type storeDestination struct{ *store.Store }

func (e *env) storeDestination(profile string) (destination, error) {
	s, err := e.openProfile(profile)
	if err != nil {
		return nil, err
	}
	return storeDestination{s}, nil
}

func (d storeDestination) put(ctx context.Context, c store.Credential) error {
	return d.Put(ctx, c)
}

func (d storeDestination) place() string  { return d.Location().Data }
func (d storeDestination) String() string { return "sealed in " + d.place() }

// helperDestination is another tool's helper.
type helperDestination struct{ authfile.Helper }

func (d helperDestination) put(ctx context.Context, c store.Credential) error {
	if !c.Expires.IsZero() {
		return fmt.Errorf("%s cannot keep a login for a limited time: leave --for out", d.Program())
	}
	return d.Store(ctx, c.ServerURL, c.Username, c.Secret)
}

func (d helperDestination) place() string  { return d.Program() }
func (d helperDestination) String() string { return "stored by " + d.place() }

// fileDestination is an auth.json that the user named.
type fileDestination struct {
	e             *env
	path, namedBy string
}

func (d fileDestination) put(_ context.Context, c store.Credential) error {
	if !c.Expires.IsZero() {
		return fmt.Errorf("%s cannot keep a login for a limited time: leave --for out", d.path)
	}
	key := c.ServerURL
	if key == store.HubAddress {
		key = store.HubHost // as podman and skopeo write it
	}
	err := d.e.update(d.path, authfile.Containers, func(doc *authfile.Document) error {
		return doc.SetAuth(key, c.Username, c.Secret, c.Kind == store.KindIdentityToken)
	})
	if err == nil {
		d.e.warn("the password is in %s (%s) in base64, which is not encrypted.", d.path, d.namedBy)
	}
	return err
}

func (d fileDestination) place() string  { return d.path }
func (d fileDestination) String() string { return "stored in " + d.place() }
