package authfile

import (
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// CredHelper is one member of "credHelpers". An empty Helper sends docker to
// the file's own "auths" for that host.
type CredHelper struct {
	Host   string // as it stands in the file
	Helper string // without "docker-credential-"
}

// CredsStore returns the name of the helper for every host, or "".
func (d *Document) CredsStore() string {
	store := ""
	if d.format == DockercfgFormat {
		return store
	}
	for i := range d.root.Members {
		m := &d.root.Members[i]
		// A null changes nothing, as in encoding/json.
		if lit, ok := m.Value.Value.(hujson.Literal); ok && lit.Kind() == '"' && strings.EqualFold(nameOf(m), nameCredsStore) {
			store = lit.String()
		}
	}
	return store
}

// CredHelpers returns the helpers of single hosts in the order of the file. Of
// a host that stands there twice the last counts.
func (d *Document) CredHelpers() []CredHelper {
	var helpers []CredHelper
	if d.format == DockercfgFormat {
		return helpers
	}
	at := map[string]int{}
	for _, o := range d.objectsNamed(nameCredHelpers) {
		for i := range o.Members {
			h := CredHelper{Host: nameOf(&o.Members[i])}
			if lit, ok := o.Members[i].Value.Value.(hujson.Literal); ok && lit.Kind() == '"' {
				h.Helper = lit.String()
			}
			if j, seen := at[h.Host]; seen {
				helpers[j] = h
				continue
			}
			at[h.Host] = len(helpers)
			helpers = append(helpers, h)
		}
	}
	return helpers
}

// SetCredsStore makes a helper the one for every host. Err tells of a refusal.
func (d *Document) SetCredsStore(name string) {
	if i := d.editable(nameCredsStore, name); d.err == nil {
		d.setString(d.root, nil, i, nameCredsStore, name)
	}
}

// RemoveCredsStore takes the helper for every host away; without one it does
// nothing. Err tells of a refusal.
func (d *Document) RemoveCredsStore() {
	if i := d.editable(nameCredsStore, ""); d.err == nil && i >= 0 {
		d.cut(d.root, i)
	}
}

// SetCredHelper makes a helper the one for a host. Err tells of a refusal.
func (d *Document) SetCredHelper(host, helper string) {
	at := d.editable(nameCredHelpers, helper)
	i, n := findExact(d.objectAt(at), host)
	switch {
	case n > 1:
		d.refuse(host, ErrDuplicate)
	case !utf8.ValidString(host):
		d.refuse(nameCredHelpers, ErrText)
	case d.err == nil:
		o, owner := d.container(at, nameCredHelpers)
		d.setString(o, owner, i, host, helper)
	}
}

// RemoveCredHelper takes the helper of a host away; without one it does nothing.
// "credHelpers" itself goes with its last member, as docker leaves it out when
// it is empty. Err tells of a refusal.
func (d *Document) RemoveCredHelper(host string) {
	at := d.editable(nameCredHelpers, "")
	o := d.objectAt(at)
	i, n := findExact(o, host)
	if n > 1 {
		d.refuse(host, ErrDuplicate)
	}
	if d.err != nil || n == 0 {
		return
	}
	_, wasEmpty := d.hollow[o]
	d.cut(o, i)
	if len(o.Members) == 0 && !d.unmake(o, at) && !wasEmpty {
		d.cut(d.root, at)
	}
}

// editable finds a fixed member of the root for an edit: its index, or -1. It
// refuses where the edit would have no meaning or two.
func (d *Document) editable(name, value string) int {
	i, n := findFold(d.root, name)
	switch {
	case d.format == DockercfgFormat:
		d.refuse(name, ErrFormat)
	case n > 1:
		d.refuse(name, ErrDuplicate)
	case !utf8.ValidString(value):
		d.refuse(name, ErrText)
	}
	return i
}
