package store

import (
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

// RootKey is the 32 bytes that every key of a store is derived from. It never
// prints itself.
type RootKey struct {
	secret [keySize]byte
	// What every derivation begins with, kept because a list derives a key for each entry.
	prk [sha256.Size]byte
	kid [kidSize]byte
}

// NewRootKey makes a random root key.
func NewRootKey() RootKey {
	var secret [keySize]byte
	_, _ = rand.Read(secret[:]) // never fails: it ends the program instead (crypto/rand)
	return rootKeyOf(secret)
}

// rootKeyOf prepares a root key for use. Without a salt, as in RFC 5869.
func rootKeyOf(secret [keySize]byte) RootKey {
	prk, err := hkdf.Extract(sha256.New, secret[:], nil)
	if err != nil {
		panic(err) // impossible: in FIPS mode a secret has to have 112 bits
	}
	k := RootKey{secret: secret, prk: [sha256.Size]byte(prk)}
	copy(k.kid[:], k.derivation().derive("regshape/v1/kid"))
	return k
}

// KID returns the key's public name, 16 hexadecimal digits.
func (k RootKey) KID() string { return hex.EncodeToString(k.kid[:]) }

// String hides the key from every fmt verb, and GoString from %#v.
func (k RootKey) String() string { return "root key (hidden)" }

// GoString hides the key.
func (k RootKey) GoString() string { return k.String() }

// Line returns the key line, without a line ending. It is the secret itself.
func (k RootKey) Line() string { return taggedLine(keyTag, k.KID(), k.secret[:]) }

// ParseKeyLine reads a key line; white space around it is ignored. The error wraps
// [ErrKeyDamaged] and holds nothing of the line.
func ParseKeyLine(line string) (RootKey, error) {
	var secret [keySize]byte
	kid, err := parseTaggedLine(line, keyTag, secret[:])
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
	n := nameKey{kid: k.KID()}
	copy(n.secret[:], k.derivation().derive("regshape/v1/names"))
	return n
}

// mac is HMAC-SHA256 under one key, used again and again: setting it up costs as much as
// using it.
type mac struct{ hash.Hash }

func newMAC(key []byte) mac { return mac{hmac.New(sha256.New, key)} }

func (m mac) sum(text string) []byte {
	m.Reset()
	_, _ = m.Write([]byte(text)) // never fails (hash.Hash)
	return m.Sum(nil)
}

// derivation is the second half of HKDF-SHA256 (RFC 5869) with the root key.
func (k RootKey) derivation() mac { return newMAC(k.prk[:]) }

// derive makes a key of 32 bytes or fewer, for which the first block of HKDF is enough.
func (m mac) derive(info string) []byte { return m.sum(info + "\x01") }

// nameKey turns addresses into entry names; it opens nothing.
type nameKey struct {
	kid    string
	secret [keySize]byte
}

func (n nameKey) String() string   { return "name key (hidden)" }
func (n nameKey) GoString() string { return n.String() }

func (n nameKey) naming() mac { return newMAC(n.secret[:]) }

// name returns the entry name of a canonical address, 32 characters of base32hex.
func (n nameKey) name(canonical string) string { return n.naming().name(canonical) }

func (m mac) name(canonical string) string {
	return nameEncoding.EncodeToString(m.sum(canonical)[:nameSize])
}

func (n nameKey) line() string { return taggedLine(namesTag, n.kid, n.secret[:]) }

func parseNamesLine(line string) (nameKey, error) {
	var n nameKey
	kid, err := parseTaggedLine(line, namesTag, n.secret[:])
	n.kid = kid
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
		return "", fmt.Errorf("%w: it is no %s line", ErrKeyDamaged, tag)
	}
	body := strings.Join(fields[:3], " ")
	if fields[3] != fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body))) {
		return "", fmt.Errorf("%w: its checksum is wrong", ErrKeyDamaged)
	}
	if !isKID(fields[1]) {
		return "", fmt.Errorf("%w: its kid is malformed", ErrKeyDamaged)
	}
	raw, err := noPadding.DecodeString(fields[2])
	// The last character has bits beyond the key's end, which the decoder passes over.
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

// isEntryName tells an entry from a stray file.
func isEntryName(s string) bool {
	return len(s) == nameEncoding.EncodedLen(nameSize) && strings.Trim(s, nameDigits) == ""
}

// ErrKeyDamaged means that a key line or names line was found but cannot be used.
var ErrKeyDamaged = errors.New("the key is damaged")
