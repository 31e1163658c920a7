package store

import (
	"fmt"
	"os"

	"regshape/store/durable"
)

// opener opens the entries of one generation, one after another, and keeps what it would
// else need anew for each.
type opener struct {
	folder string
	sealer sealer
	naming mac
	buf    []byte
}

func (v view) opener() *opener {
	return &opener{folder: v.folder(), sealer: v.root.sealer(), naming: v.names.naming()}
}

func (o *opener) path(name string) string { return o.folder + string(os.PathSeparator) + name }

// open opens the entry of a name and checks that it is the one its name says. The
// credential's payload is in memory that the next one is read into.
func (o *opener) open(name string) (Credential, error) {
	sealed, err := durable.ReadInto(o.buf, o.path(name), durable.Sealed)
	if err != nil {
		return Credential{}, err
	}
	o.buf = sealed
	payload, err := o.sealer.open(sealed[min(len(sealed), headerSize):][:0], name, sealed)
	if err != nil {
		return Credential{}, err
	}
	c, err := unmarshalCredential(payload)
	if err != nil {
		return Credential{}, err
	}
	if o.naming.name(c.Canonical) != name {
		return Credential{}, fmt.Errorf("%w: it holds another address's credential", ErrDamaged)
	}
	return c, nil
}
