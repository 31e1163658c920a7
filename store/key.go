package store

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strings"
)

const (
	keyTag   = "REGSHAPE-KEY-1"
	namesTag = "REGSHAPE-NAMES-1"

	keySize  = 32
	kidSize  = 8
	nameSize = 20

	nameDigits = "0123456789abcdefghijklmnopqrstuv"
)

var (
	noPadding    = base32.StdEncoding.WithPadding(base32.NoPadding)
	nameEncoding = base32.NewEncoding(nameDigits).WithPadding(base32.NoPadding)
)

// RootKey is the 32 bytes that every key of a store is derived from. It never prints, and it
// is only a pointer: arguments of functions show in the stack trace of a crash. The zero value
// is not a key.
type RootKey struct {
	_   [0]func() // no ==, which would compare pointers: see Equal
	key *rootKey
}

// keyBytes is key material. It is never copied, since old stack contents may show in a later
// trace. With a wrong verb fmt follows one pointer, but never two.
type keyBytes struct{ b *[keySize]byte }

func newKeyBytes() keyBytes { return keyBytes{new([keySize]byte)} }

type rootKey struct {
	secret keyBytes
	prk    keyBytes // the first half of HKDF, kept because a list derives a key for each entry
	kid    [kidSize]byte
}

// NewRootKey makes a random root key.
func NewRootKey() RootKey {
	secret := newKeyBytes()
	_, _ = rand.Read(secret.b[:]) // never fails: it ends the program instead (crypto/rand)
	return rootKeyOf(secret)
}

// rootKeyOf prepares a root key for use. Without a salt, as in RFC 5869.
func rootKeyOf(secret keyBytes) RootKey {
	prk, err := hkdf.Extract(sha256.New, secret.b[:], nil)
	if err != nil {
		panic(err) // impossible: in FIPS mode a secret has to have 112 bits
	}
	k := RootKey{key: &rootKey{secret: secret, prk: keyBytes{(*[keySize]byte)(prk)}}}
	copy(k.key.kid[:], k.derivation().derive("regshape/v1/kid"))
	return k
}

// KID returns the key's public name, 16 hexadecimal digits; "" for no key.
func (k RootKey) KID() string {
	if k.key == nil {
		return ""
	}
	return hex.EncodeToString(k.key.kid[:])
}

// Equal reports whether two keys are the same.
func (k RootKey) Equal(o RootKey) bool {
	if k.key == nil || o.key == nil {
		return k.key == o.key
	}
	return hmac.Equal(k.key.secret.b[:], o.key.secret.b[:])
}

// String hides the key.
func (k RootKey) String() string { return "root key (hidden)" }

// Format hides the key from every fmt verb.
func (k RootKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalText hides the key from encoders.
func (k RootKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Line returns the key line, without a line ending. It is the secret itself.
func (k RootKey) Line() string { return taggedLine(keyTag, k.KID(), k.key.secret.b[:]) }

// ParseKeyLine reads a key line; white space around it is ignored. The error wraps
// [ErrKeyDamaged] and holds nothing of the line.
func ParseKeyLine(line string) (RootKey, error) {
	secret := newKeyBytes()
	kid, err := parseTaggedLine(line, keyTag, secret.b[:])
	if err != nil {
		return RootKey{}, err
	}
	k := rootKeyOf(secret)
	if k.KID() != kid {
		return RootKey{}, fmt.Errorf("%w: its kid is another key's", ErrKeyDamaged)
	}
	return k, nil
}

func (k RootKey) nameKey() nameKey {
	return nameKey{kid: k.KID(), secret: &keyBytes{(*[keySize]byte)(k.derivation().derive("regshape/v1/names"))}}
}

// mac is HMAC-SHA256 under one key, reused: setting it up costs as much as using it.
type mac struct{ hash.Hash }

func newMAC(key []byte) mac { return mac{hmac.New(sha256.New, key)} }

func (m mac) sum(text string) []byte {
	m.Reset()
	_, _ = m.Write([]byte(text)) // never fails (hash.Hash)
	return m.Sum(nil)
}

// derivation is the second half of HKDF-SHA256 (RFC 5869) with the root key.
func (k RootKey) derivation() mac { return newMAC(k.key.prk.b[:]) }

// derive makes a key of 32 bytes or fewer, for which the first block of HKDF is enough.
func (m mac) derive(info string) []byte { return m.sum(info + "\x01") }

// nameKey maps addresses to entry names; it cannot open entries. Like a [RootKey] it never
// prints and is passed as a pointer.
type nameKey struct {
	kid    string
	secret *keyBytes
}

func (n nameKey) equal(o nameKey) bool {
	return n.kid == o.kid && hmac.Equal(n.secret.b[:], o.secret.b[:])
}

func (n nameKey) String() string { return "name key (hidden)" }

// Format hides the key from every fmt verb.
func (n nameKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, n.String()) }

func (n nameKey) naming() mac { return newMAC(n.secret.b[:]) }

// name returns the entry name of a canonical address, 32 characters of base32hex.
func (n nameKey) name(canonical string) string { return n.naming().name(canonical) }

func (m mac) name(canonical string) string {
	return nameEncoding.EncodeToString(m.sum(canonical)[:nameSize])
}

func (n nameKey) line() string { return taggedLine(namesTag, n.kid, n.secret.b[:]) }

func parseNamesLine(line string) (n nameKey, err error) {
	secret := newKeyBytes()
	n.secret = &secret
	n.kid, err = parseTaggedLine(line, namesTag, n.secret.b[:])
	return n, err
}

func taggedLine(tag, kid string, secret []byte) string {
	body := tag + " " + kid + " " + noPadding.EncodeToString(secret)
	return fmt.Sprintf("%s %08x", body, crc32.ChecksumIEEE([]byte(body)))
}

// parseTaggedLine checks form and checksum, fills secret, and returns the kid. Its
// errors say which part is wrong and never quote the line.
func parseTaggedLine(line, tag string, secret []byte) (kid string, err error) {
	fields := strings.Fields(line)
	if len(fields) != 4 || fields[0] != tag {
		return "", fmt.Errorf("%w: not a %s line", ErrKeyDamaged, tag)
	}
	body := strings.Join(fields[:3], " ")
	if fields[3] != fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body))) {
		return "", fmt.Errorf("%w: its checksum is wrong", ErrKeyDamaged)
	}
	if !isKID(fields[1]) {
		return "", fmt.Errorf("%w: its kid is malformed", ErrKeyDamaged)
	}
	raw, err := noPadding.DecodeString(fields[2])
	// The last character has bits beyond the key's end, which the decoder ignores.
	if err != nil || len(raw) != len(secret) || noPadding.EncodeToString(raw) != fields[2] {
		return "", fmt.Errorf("%w: its key is malformed", ErrKeyDamaged)
	}
	copy(secret, raw)
	return fields[1], nil
}

func isKID(s string) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == kidSize && strings.ToLower(s) == s
}

// isEntryName reports whether a file name has the form of an entry's.
func isEntryName(s string) bool {
	return len(s) == nameEncoding.EncodedLen(nameSize) && strings.Trim(s, nameDigits) == ""
}

// ErrKeyDamaged means that a key line or names line was found but cannot be used.
var ErrKeyDamaged = errors.New("the key is damaged")

// Key is a place that holds the root key of a store. Implementations are in package
// keys. A place may hold several keys at once, each known by its kid, so that a new key
// can be made durable before the store switches to it.
type Key interface {
	// Load returns the root key with this kid; with "", the one that it finds, for a
	// store whose config is missing. [ErrNoKey] means that there is none, [ErrWrongKey]
	// that there is only another one, [ErrLocked] that the user has to unlock it; the
	// store then still answers "not found". It never prompts, and sets its own time limit.
	Load(ctx context.Context, kid string) (RootKey, error)

	// Stage keeps k beside the current key, durably. From then on Load finds it. from is
	// the kid of the key that k will replace: if that is unlocked, k is, too.
	Stage(ctx context.Context, k RootKey, from string) error

	// Promote makes a staged key the current one. A key that is not staged (any more) is
	// not an error: several runs may finish what one began.
	Promote(ctx context.Context, kid string) error

	// Discard removes the key with this kid, staged or current, and keeps all others.
	// A missing one is not an error.
	Discard(ctx context.Context, kid string) error

	// Cheap reports whether Load costs no more than reading a file, so that a lookup loads
	// the key at once. Otherwise the store first checks its names file, and does not ask
	// for the key if there is no entry.
	Cheap() bool
}

// Sources makes the places that keys can be in; package keys implements it.
type Sources interface {
	// Default is where the key of a new store goes.
	Default() KeySource

	// Choose returns the place that a config names. It touches nothing yet.
	Choose(loc Location, source KeySource) (Key, error)
}
