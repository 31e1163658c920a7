package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"os"

	"regshape/store/durable"
)

const (
	sealMagic      = "RGS1"
	sealVersion    = 1
	suiteAES256GCM = 1
	typeCredential = 1

	headerSize = 16
	sealExtra  = 12 + 16 // nonce and tag

	// padTo fits a password as well as an identity token of up to some 2,600 bytes, so that
	// both have one size; with header and tag the file stays below a block of 4 KiB.
	padTo = 3 << 10
)

// sealer seals and opens entries with one root key, one after another.
type sealer struct {
	keys   mac
	header [headerSize]byte
}

func (k RootKey) sealer() sealer {
	s := sealer{keys: k.derivation()}
	header := append(s.header[:0], sealMagic...)
	header = append(header, sealVersion, suiteAES256GCM, typeCredential, 0)
	copy(s.header[len(header):], k.key.kid[:])
	return s
}

// seal encrypts a payload for one entry name. The payload is padded with spaces,
// which JSON ignores.
func (s sealer) seal(name string, payload []byte) ([]byte, error) {
	padded := make([]byte, 0, len(payload)+padTo)
	padded = append(padded, payload...)
	padded = append(padded, bytes.Repeat([]byte{' '}, padTo-1-(len(payload)+padTo-1)%padTo)...)

	gcm, err := s.cipherFor(name)
	if err != nil {
		return nil, err
	}
	sealed := make([]byte, 0, headerSize+len(padded)+sealExtra)
	sealed = append(sealed, s.header[:]...)
	return append(sealed, gcm.Seal(nil, nil, padded, s.bound(name))...), nil
}

// open decrypts a sealed file found under a name, and appends to dst, which may be what
// follows the header: [cipher.AEAD] allows that. Errors are [ErrNewer] for versions,
// suites and types unknown here, else [ErrDamaged].
func (s sealer) open(dst []byte, name string, sealed []byte) ([]byte, error) {
	if len(sealed) < headerSize {
		return nil, fmt.Errorf("%w: it is truncated", ErrDamaged)
	}
	version, suite, kind := sealed[4], sealed[5], sealed[6]
	switch {
	case string(sealed[:4]) != sealMagic:
		return nil, fmt.Errorf("%w: not a sealed file", ErrDamaged)
	case version == 0, version == sealVersion && (suite == 0 || kind == 0): // no version has these
		return nil, fmt.Errorf("%w: its header was changed: version %d, suite %d, type %d", ErrDamaged, version, suite, kind)
	case version != sealVersion, suite != suiteAES256GCM, kind != typeCredential, sealed[7] != 0:
		return nil, fmt.Errorf("%w: sealed file version %d, suite %d, type %d", ErrNewer, version, suite, kind)
	case len(sealed) < headerSize+sealExtra:
		return nil, fmt.Errorf("%w: it is truncated", ErrDamaged)
	}
	if !bytes.Equal(sealed[8:headerSize], s.header[8:]) {
		return nil, fmt.Errorf("%w: it is sealed under another key", ErrDamaged)
	}
	gcm, err := s.cipherFor(name)
	if err != nil {
		return nil, err
	}
	payload, err := gcm.Open(dst, nil, sealed[headerSize:], s.bound(name))
	if err != nil {
		return nil, fmt.Errorf("%w: its content was changed, or it belongs to another address", ErrDamaged)
	}
	return payload, nil
}

// bound returns the associated data of an entry.
func (s sealer) bound(name string) []byte {
	return append(append(make([]byte, 0, 64), s.header[:]...), name...)
}

// cipherFor returns the entry's own cipher. GCM with a random nonce is the standard
// library's, so that this path also runs under GODEBUG=fips140=only; a key of its own
// for each entry keeps the number of nonces for one key small.
func (s sealer) cipherFor(name string) (cipher.AEAD, error) {
	block, err := aes.NewCipher(s.keys.derive("regshape/v1/cred/" + name))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// opener opens the entries of one generation, one after another, and reuses its buffers.
type opener struct {
	dir    string
	sealer sealer
	naming mac
	buf    []byte
}

func (v view) opener() *opener {
	return &opener{dir: v.dir(), sealer: v.root.sealer(), naming: v.names.naming()}
}

func (o *opener) path(name string) string { return o.dir + string(os.PathSeparator) + name }

// open opens the entry of a name and checks that its content belongs to that name. The
// credential's payload is in a buffer that the next call overwrites.
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
