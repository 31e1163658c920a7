package lookup

import (
	"context"
	"fmt"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/store"
)

// Destination is where a login goes.
type Destination struct {
	Place string       // the directory, program or file
	Store *store.Store // nil where another tool keeps it
	// BySetting means that a file which the user named, or credHelpers of one, leads there.
	BySetting bool
	Save      func(ctx context.Context, c store.Credential) error
	words     string
}

func (d Destination) String() string { return d.words + " " + d.Place }

// Destination chooses: the one file that the user named, or the store that it leads to; else
// the helper that docker's or podman's settings have for the registry, else regshape's own
// store. Nothing else is ever written in plaintext.
func (q Query) Destination() (Destination, error) {
	places := helperPlaces(q.E)
	only, named := Only(q.E)
	if named {
		places = []Place{only.Place}
	}
	for _, p := range places {
		d, err := Read(p.Path, p.Format)
		if err != nil {
			return Destination{}, err
		}
		name, _, ok := q.credHelper(d)
		if !ok && named {
			name = only.credsStore(d)
		}
		switch profile, own := ownProfile(name, q.E.Profile); {
		case own:
			to, err := q.storeDestination(profile)
			to.BySetting = true
			return to, err
		case name != "":
			return q.helperDestination(name, p.Format), nil
		case ok && p.Format == authfile.Docker && !named:
			q.E.Warn("docker takes the login for %s from %s alone, since credHelpers there has an empty entry for it; to change that: %s",
				q.Address.Name(), Tilde(q.E, p.Path), q.E.Own("auth", "setup", "--docker", "--host", q.Address.Registry().Name(), "--keep"))
		}
	}
	if named {
		return q.fileDestination(only), nil
	}
	return q.storeDestination(q.E.Profile)
}

// helperDestination is the helper that a file of another tool names.
func (q Query) helperDestination(name string, f authfile.Format) Destination {
	h := q.E.Foreign(name)
	return Destination{words: "stored by", Place: h.Program(), Save: func(ctx context.Context, c store.Credential) error {
		if err := withoutEnd(c, h.Program()); err != nil {
			return err
		}
		return h.Store(ctx, KeyIn(f, c.ServerURL), c.Username, c.Secret)
	}}
}

func (q Query) storeDestination(profile string) (Destination, error) {
	s, err := app.OpenProfile(q.E, profile)
	if err != nil {
		return Destination{}, err
	}
	return Destination{words: "sealed in", Place: s.Location().Data, Store: s, Save: app.Logins(q.E, s).Put}, nil
}

// fileDestination is a file that the user named. Other spellings of Docker Hub in it go: its
// readers prefer different ones.
func (q Query) fileDestination(only OnlyPlace) Destination {
	return Destination{words: "stored in", Place: only.Path, Save: func(_ context.Context, c store.Credential) error {
		if err := withoutEnd(c, only.Path); err != nil {
			return err
		}
		key := KeyIn(only.Format, c.ServerURL)
		err := Update(q.E, only.Path, only.Format, func(d *authfile.Document) error {
			for _, e := range Entries(d) {
				if c.ServerURL == store.HubAddress && e.Address.Hub() && e.Key != key {
					d.RemoveAuth(e.Key)
				}
			}
			d.SetAuth(key, c.Username, c.Secret, c.Kind == store.KindIdentityToken)
			return nil
		})
		if err == nil {
			q.E.Warn("the password is in %s (%s) in base64, which is not encrypted.", only.Path, only.By)
		}
		return err
	}}
}

// withoutEnd refuses a login that expires where only regshape's store would remember that.
func withoutEnd(c store.Credential, place string) error {
	if c.Expires.IsZero() {
		return nil
	}
	return fmt.Errorf("%s cannot keep a login for a limited time: leave --for out", place)
}
