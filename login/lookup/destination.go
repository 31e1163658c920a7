package lookup

import (
	"context"
	"fmt"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/store"
)

// Destination is where a login goes.
type Destination interface {
	Save(ctx context.Context, c store.Credential) error
	// Place is the folder, program or file, String the words for it.
	Place() string
	String() string
}

// Destination chooses: the one file that the user named, else the helper that docker's or
// podman's settings have for the registry, else regshape's own store. Nothing else is
// ever written in plaintext.
func (q Query) Destination() (Destination, error) {
	if path, by := q.E.OnlyFile(); path != "" {
		return fileDestination{q.E, path, by}, nil
	}
	for _, p := range Places(q.E) {
		if p.Format == authfile.DockercfgFormat || p.Tool != "docker" && p.Tool != "podman" {
			continue
		}
		name, err := q.credHelper(p)
		if err != nil {
			return nil, err
		}
		if name == "" {
			continue
		}
		if profile, own := ownProfile(name, q.E.Profile); own {
			return storeDestination(q.E, profile)
		}
		return helperDestination{q.E.Foreign(name)}, nil
	}
	return storeDestination(q.E, q.E.Profile)
}

// StoreDestination is regshape's own store.
type StoreDestination struct{ *store.Store }

func storeDestination(e *app.Env, profile string) (Destination, error) {
	s, err := app.OpenProfile(e, profile)
	if err != nil {
		return nil, err
	}
	return StoreDestination{s}, nil
}

// Save stores c there.
func (d StoreDestination) Save(ctx context.Context, c store.Credential) error {
	return d.Put(ctx, c)
}

// Place is the directory of the store.
func (d StoreDestination) Place() string { return d.Location().Data }

func (d StoreDestination) String() string { return "sealed in " + d.Place() }

// helperDestination is another tool's helper.
type helperDestination struct{ authfile.Helper }

// Save stores c there.
func (d helperDestination) Save(ctx context.Context, c store.Credential) error {
	if !c.Expires.IsZero() {
		return fmt.Errorf("%s cannot keep a login for a limited time: leave --for out", d.Program())
	}
	return d.Store(ctx, c.ServerURL, c.Username, c.Secret)
}

// Place is the directory of the store.
func (d helperDestination) Place() string { return d.Program() }

func (d helperDestination) String() string { return "stored by " + d.Place() }

// fileDestination is an auth.json that the user named.
type fileDestination struct {
	e             *app.Env
	path, namedBy string
}

// Save stores c there.
func (d fileDestination) Save(_ context.Context, c store.Credential) error {
	if !c.Expires.IsZero() {
		return fmt.Errorf("%s cannot keep a login for a limited time: leave --for out", d.path)
	}
	key := c.ServerURL
	if key == store.HubAddress {
		key = store.HubHost // as podman and skopeo write it
	}
	err := Update(d.e, d.path, authfile.Containers, func(doc *authfile.Document) error {
		return doc.SetAuth(key, c.Username, c.Secret, c.Kind == store.KindIdentityToken)
	})
	if err == nil {
		d.e.Warn("the password is in %s (%s) in base64, which is not encrypted.", d.path, d.namedBy)
	}
	return err
}

// Place is the directory of the store.
func (d fileDestination) Place() string { return d.path }

func (d fileDestination) String() string { return "stored in " + d.Place() }
