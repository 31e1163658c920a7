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
	Save  func(ctx context.Context, c store.Credential) error
	words string
}

func (d Destination) String() string { return d.words + " " + d.Place }

// Destination chooses: the one file that the user named, else the helper that docker's or
// podman's settings have for the registry, else regshape's own store. Nothing else is
// ever written in plaintext.
func (q Query) Destination() (Destination, error) {
	if path, by := q.E.OnlyFile(); path != "" {
		return q.fileDestination(path, by), nil
	}
	for _, p := range helperPlaces(q.E) {
		name, err := q.credHelper(p)
		switch profile, own := ownProfile(name, q.E.Profile); {
		case err != nil:
			return Destination{}, err
		case own:
			return q.storeDestination(profile)
		case name != "":
			h := q.E.Foreign(name)
			return Destination{words: "stored by", Place: h.Program(), Save: func(ctx context.Context, c store.Credential) error {
				if err := withoutEnd(c, h.Program()); err != nil {
					return err
				}
				return h.Store(ctx, c.ServerURL, c.Username, c.Secret)
			}}, nil
		}
	}
	return q.storeDestination(q.E.Profile)
}

func (q Query) storeDestination(profile string) (Destination, error) {
	s, err := app.OpenProfile(q.E, profile)
	if err != nil {
		return Destination{}, err
	}
	return Destination{words: "sealed in", Place: s.Location().Data, Store: s, Save: s.Put}, nil
}

// fileDestination is an auth.json that the user named.
func (q Query) fileDestination(path, namedBy string) Destination {
	return Destination{words: "stored in", Place: path, Save: func(_ context.Context, c store.Credential) error {
		if err := withoutEnd(c, path); err != nil {
			return err
		}
		key := c.ServerURL
		if key == store.HubAddress {
			key = store.HubHost // as podman and skopeo write it
		}
		err := Update(q.E, path, authfile.Containers, func(doc *authfile.Document) error {
			return doc.SetAuth(key, c.Username, c.Secret, c.Kind == store.KindIdentityToken)
		})
		if err == nil {
			q.E.Warn("the password is in %s (%s) in base64, which is not encrypted.", path, namedBy)
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
