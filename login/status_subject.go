package login

import (
	"errors"
	"io/fs"
	"strings"

	"regshape/login/authfile"
	"regshape/login/registry"
	"regshape/store"
)

// subject is one login to verify.
type subject struct {
	row     checked // what is known of it before anybody is asked
	address store.Address
	login   *answer // nil where there is nothing to ask with; the row then says why
	find    bool    // the chain is still to be asked for the login
}

// named is a registry of the command line, whose login is looked for when its turn comes:
// a slow helper of one registry must not hold up the others.
func named(address store.Address) subject {
	return subject{address: address, find: true, row: checked{Registry: shown(store.ParseAddress(serverURL(address)))}}
}

// storedSubjects are the logins that list shows, in its order.
func (e *env) storedSubjects() ([]subject, error) {
	if path, _ := e.authfile(); path != "" {
		return e.fileSubjects(path)
	}
	s, err := e.openStore()
	if err != nil {
		return nil, &storeError{"", "check the logins", err}
	}
	found, damaged, err := s.List(e.ctx)
	if err != nil {
		return nil, &storeError{"", "check the logins", err}
	}
	subjects := make([]subject, 0, len(found)+len(damaged))
	for _, c := range found {
		subjects = append(subjects, e.ownSubject(c, s.Location().Data))
	}
	for _, d := range damaged {
		sub := subject{row: checked{Where: d.File}}
		sub.row.unreadable(e, d)
		subjects = append(subjects, sub)
	}
	return subjects, nil
}

// ownSubject is an entry of regshape's store.
func (e *env) ownSubject(c store.Credential, where string) subject {
	s := subject{address: store.ParseAddress(c.ServerURL), row: checked{Where: where}}
	s.row.Registry = shown(s.address)
	s.row.fill(&answer{username: c.Username, entry: &c})
	switch {
	case c.Expired(e.now()):
		s.row.expired(e, c)
	case s.address.Opaque() || c.Transport == "" && !isPullable(s.address):
		s.row.skipped()
	default:
		s.login = &answer{
			username: c.Username, secret: c.Secret, identityToken: c.Kind == store.KindIdentityToken,
			key: c.ServerURL, entry: &c,
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
func (e *env) fileSubjects(path string) ([]subject, error) {
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
		address := store.ParseAddress(bare(store.ParseAddress(entry.Key)))
		s := subject{address: address, row: checked{Registry: shown(address), Where: path}}
		switch {
		case entry.Err != nil:
			s.row.unreadable(e, entry.Err)
		case address.Opaque() || !isPullable(address):
			s.row.fill(fromEntry(entry))
			s.row.skipped()
		default:
			s.login = fromEntry(entry)
			s.row.fill(s.login)
		}
		subjects = append(subjects, s)
	}
	return subjects, nil
}

// resolveSubject finds what would be used for a registry that was named.
func (e *env) resolveSubject(s subject) subject {
	found, err := wanted{e, s.address}.resolve(false)
	if err != nil {
		s.row.unreadable(e, err)
		return s
	}
	if found.found == nil {
		if c, where, ok := e.expiredEntry(s.address); ok {
			s.row.Where = where
			s.row.fill(&answer{username: c.Username, entry: &c})
			s.row.expired(e, c)
		} else {
			s.row.absent(e)
		}
		return s
	}
	s.row.Where = found.from.where
	if loc, err := e.locate(); err == nil && found.from.kind == fromStore {
		s.row.Where = loc.Data
	}
	s.row.fill(found.found)
	if message, hint, refused := e.refusePlain(s.address, found.found.entry); refused {
		s.row.put(string(registry.Protocol), message, hint)
		return s
	}
	s.login = found.found
	return s
}

// expiredEntry finds a login whose own time ran out. No lookup answers it, but whoever
// asks for its status wants to know that, and not that there is none. A store that cannot
// be read has been named by the chain already, where it matters here.
func (e *env) expiredEntry(address store.Address) (c store.Credential, where string, found bool) {
	s, err := e.openStore()
	if err != nil {
		return c, "", false
	}
	for _, candidate := range (wanted{e, address}).candidates() {
		if c, err := s.Peek(e.ctx, candidate); err == nil && c.Expired(e.now()) {
			return c, s.Location().Data, true
		}
	}
	return c, "", false
}
