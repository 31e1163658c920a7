package authfile

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// errNotObject is about the type alone; the entry may hold anything.
var errNotObject = fmt.Errorf("%w: it is not an object", ErrEntry)

// SetAuth writes a login under exactly this key, as base64 (not encrypted). What
// else the entry holds stays, but for older secrets. An identity token stands
// beside a user name, or TokenUser if that is empty: podman passes over an entry
// without "auth". Err tells of a refusal: ErrUserName, ErrSecret, ErrDuplicate, ErrText.
func (d *Document) SetAuth(key, username, secret string, identityToken bool) {
	if identityToken && username == "" {
		username = TokenUser
	}
	at := d.authsAt()
	switch {
	case !utf8.ValidString(key):
		d.refuse(nameAuths, ErrText)
	case username == "" || strings.Contains(username, ":"):
		d.refuse(key, ErrUserName)
	case identityToken && !utf8.ValidString(secret):
		d.refuse(key, ErrText)
	case !identityToken && secret != strings.Trim(secret, "\x00"):
		d.refuse(key, ErrSecret)
	}
	fields := []struct {
		name, value string
		keep        bool
	}{
		{"auth", base64.StdEncoding.EncodeToString([]byte(username + ":" + secret)), true},
		{"identitytoken", "", false},
		{"registrytoken", "", false},
		{"username", "", false},
		{"password", "", false},
	}
	if identityToken {
		fields[0].value = base64.StdEncoding.EncodeToString([]byte(username + ":"))
		fields[1].value, fields[1].keep = secret, true
	}

	// Everything that can be refused comes before the first change.
	o := d.loginsAt(at)
	i, n := findExact(o, key)
	if n > 1 {
		d.refuse(key, ErrDuplicate)
	}
	if i >= 0 {
		v := o.Members[i].Value.Value
		old, isObject := v.(*hujson.Object)
		if !isObject && v.Kind() != 'n' {
			d.refuse(key, errNotObject)
		}
		for _, f := range fields {
			if _, n := findFold(old, f.name); n > 1 {
				d.refuse(key, ErrDuplicate)
			}
		}
	}
	if d.err != nil {
		return
	}

	logins, owner := d.root, (*hujson.ObjectMember)(nil)
	if d.format != DockercfgFormat {
		logins, owner = d.container(at, nameAuths)
	}
	if i < 0 {
		i = d.insert(logins, owner, key, new(hujson.Object))
	}
	member := &logins.Members[i]
	entry, ok := member.Value.Value.(*hujson.Object)
	if !ok {
		entry = new(hujson.Object)
		member.Value.Value = entry
	}
	for _, f := range fields {
		switch j, _ := findFold(entry, f.name); {
		case f.keep:
			d.setString(entry, member, j, f.name, f.value)
		case j >= 0:
			d.cut(entry, j)
		}
	}
}

// RemoveAuth takes the entry of exactly this key away, if there is one. "auths"
// stays, empty if need be, as docker and podman leave it. Err tells of a refusal.
func (d *Document) RemoveAuth(key string) {
	at := d.authsAt()
	o := d.loginsAt(at)
	i, n := findExact(o, key)
	if n > 1 {
		d.refuse(key, ErrDuplicate)
	}
	if d.err != nil || n == 0 {
		return
	}
	d.cut(o, i)
	if len(o.Members) == 0 {
		d.unmake(o, at)
	}
}

// authsAt finds "auths" for an edit: its index in the root, or -1.
func (d *Document) authsAt() int {
	if d.format == DockercfgFormat {
		return -1
	}
	return d.editable(nameAuths, "")
}

// loginsAt returns the object that maps hosts to entries, or nil.
func (d *Document) loginsAt(at int) *hujson.Object {
	if d.format == DockercfgFormat {
		return d.root
	}
	return d.objectAt(at)
}
