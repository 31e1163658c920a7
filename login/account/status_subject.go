package account

import (
	"errors"
	"io/fs"
	"strings"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/login/registry"
	"regshape/store"
)

// subject is one login to verify.
type subject struct {
	row     Checked // what is known of it before anybody is asked
	address store.Address
	login   *lookup.Answer // nil where there is nothing to ask with; the row then says why
	find    bool           // the chain is still to be asked for the login
}

// named is a registry of the command line, whose login is looked for when its turn comes:
// a slow helper of one registry must not hold up the others.
func named(address store.Address) subject {
	return subject{address: address, find: true, row: Checked{Registry: app.Shown(store.ParseAddress(lookup.ServerURL(address)))}}
}

// storedSubjects are the logins that list shows, in its order.
func storedSubjects(e *app.Env) ([]subject, error) {
	if path, _ := e.OnlyFile(); path != "" {
		return fileSubjects(e, path)
	}
	s, err := e.OpenStore()
	if err != nil {
		return nil, &app.StoreError{Registry: "", Doing: "check the logins", Err: err}
	}
	found, damaged, err := s.List(e.Ctx)
	if err != nil {
		return nil, &app.StoreError{Registry: "", Doing: "check the logins", Err: err}
	}
	subjects := make([]subject, 0, len(found)+len(damaged))
	for _, c := range found {
		subjects = append(subjects, ownSubject(e, c, s.Location().Data))
	}
	for _, d := range damaged {
		sub := subject{row: Checked{Where: d.File}}
		sub.row.unreadable(e, d)
		subjects = append(subjects, sub)
	}
	return subjects, nil
}

// ownSubject is an entry of regshape's store.
func ownSubject(e *app.Env, c store.Credential, where string) subject {
	s := subject{address: store.ParseAddress(c.ServerURL), row: Checked{Where: where}}
	s.row.Registry = app.Shown(s.address)
	s.row.fill(&lookup.Answer{Username: c.Username, Entry: &c})
	switch {
	case c.Expired(e.Now()):
		s.row.expired(e, c)
	case s.address.Opaque() || c.Transport == "" && !isPullable(s.address):
		s.row.skipped()
	default:
		s.login = &lookup.Answer{
			Username: c.Username, Secret: c.Secret, IdentityToken: c.Kind == store.KindIdentityToken,
			Key: c.ServerURL, Entry: &c,
		}
	}
	return s
}

// isPullable tells a registry from a key that only looks like one: in an image's name
// docker and podman take a first part without dot, port or the name localhost for a
// namespace of Docker Hub.
func isPullable(a store.Address) bool {
	return a.Host() == "localhost" || strings.ContainsAny(a.Host(), ".:")
}

// fileSubjects are the logins of the file that takes every other place's place.
func fileSubjects(e *app.Env, path string) ([]subject, error) {
	d, err := authfile.Read(path, authfile.Containers)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var subjects []subject
	for _, entry := range d.Entries() {
		if entry.Marker {
			continue
		}
		// Files spell a registry with or without a scheme and mean the same.
		address := store.ParseAddress(lookup.Bare(store.ParseAddress(entry.Key)))
		s := subject{address: address, row: Checked{Registry: app.Shown(address), Where: path}}
		switch {
		case entry.Err != nil:
			s.row.unreadable(e, entry.Err)
		case address.Opaque() || !isPullable(address):
			s.row.fill(lookup.FromEntry(entry))
			s.row.skipped()
		default:
			s.login = lookup.FromEntry(entry)
			s.row.fill(s.login)
		}
		subjects = append(subjects, s)
	}
	return subjects, nil
}

// resolveSubject finds what would be used for a registry that was named.
func resolveSubject(e *app.Env, s subject) subject {
	found, err := lookup.Query{E: e, Address: s.address}.Resolve(false)
	if err != nil {
		s.row.unreadable(e, err)
		return s
	}
	if found.Found == nil {
		if c, where, ok := expiredEntry(e, s.address); ok {
			s.row.Where = where
			s.row.fill(&lookup.Answer{Username: c.Username, Entry: &c})
			s.row.expired(e, c)
		} else {
			s.row.absent(e)
		}
		return s
	}
	s.row.Where = found.From.Where
	if loc, err := e.Locate(); err == nil && found.From.Kind == lookup.FromStore {
		s.row.Where = loc.Data
	}
	s.row.fill(found.Found)
	if message, hint, refused := refusePlain(e, s.address, found.Found.Entry); refused {
		s.row.put(string(registry.Protocol), message, hint)
		return s
	}
	s.login = found.Found
	return s
}

// expiredEntry finds a login whose own time ran out. No lookup answers it, but whoever
// asks for its status wants to know that, and not that there is none. A store that cannot
// be read has been named by the chain already, where it matters here.
func expiredEntry(e *app.Env, address store.Address) (c store.Credential, where string, found bool) {
	s, err := e.OpenStore()
	if err != nil {
		return c, "", false
	}
	for _, candidate := range (lookup.Query{E: e, Address: address}).Candidates() {
		if c, err := s.Peek(e.Ctx, candidate); err == nil && c.Expired(e.Now()) {
			return c, s.Location().Data, true
		}
	}
	return c, "", false
}
