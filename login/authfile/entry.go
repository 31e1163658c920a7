package authfile

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tailscale/hujson"
)

// TokenUser is the user name under which docker's helpers keep an identity token.
const TokenUser = "<token>"

var (
	// ErrRegistryToken means an entry with a bearer token of one registry, which
	// no helper can hold.
	ErrRegistryToken = errors.New("cannot be moved: registry token")
	// ErrEntry means an entry that holds no usable login, though it should.
	ErrEntry = errors.New("broken entry")
)

// Entry is one member of "auths". Exactly one of these holds: Err is set, Marker
// is true, or Username and Secret are a login.
type Entry struct {
	Key           string // as it stands in the file
	Username      string // TokenUser for an identity token
	Secret        string // a password or an identity token
	IdentityToken bool   // Secret is an OAuth2 refresh token
	Marker        bool   // the entry names a host and holds no login
	Err           error  // ErrEntry or ErrRegistryToken, wrapped; never a secret in it
}

// Entries returns the entries in the order of the file. Of a host that stands
// there twice the last counts.
func (d *Document) Entries() []Entry {
	var entries []Entry
	at := map[string]int{}
	for _, o := range d.authObjects() {
		for i := range o.Members {
			e := decodeEntry(nameOf(&o.Members[i]), o.Members[i].Value)
			if j, seen := at[e.Key]; seen {
				entries[j] = e
				continue
			}
			at[e.Key] = len(entries)
			entries = append(entries, e)
		}
	}
	return entries
}

// Lookup returns the entry of exactly this key.
func (d *Document) Lookup(key string) (Entry, bool) {
	objects := d.authObjects()
	for i := len(objects) - 1; i >= 0; i-- {
		members := objects[i].Members
		for j := len(members) - 1; j >= 0; j-- {
			if nameOf(&members[j]) == key {
				return decodeEntry(key, members[j].Value), true
			}
		}
	}
	return Entry{}, false
}

// authObjects returns the objects that map hosts to entries.
func (d *Document) authObjects() []*hujson.Object {
	if d.format == DockercfgFormat {
		return []*hujson.Object{d.root}
	}
	return d.objectsNamed(nameAuths)
}

// authFields are the members of an entry that hold a login, as docker's
// AuthConfig names them.
type authFields struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// decodeEntry reads one entry as docker does: "auth" beats the clear fields, an
// identity token beats both.
func decodeEntry(key string, v hujson.Value) Entry {
	e := Entry{Key: key}
	fail := func(what string) Entry {
		return Entry{Key: key, Err: fmt.Errorf("%w: %s", ErrEntry, what)}
	}
	if k := v.Value.Kind(); k != '{' && k != 'n' {
		return fail("not an object")
	}
	var f authFields
	if err := json.Unmarshal(v.Pack(), &f); err != nil {
		// The cause would tell the type only, but its text is not ours to trust.
		if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return fail(te.Field + " is not a string")
		}
		return fail("not readable")
	}
	if f.Auth != "" {
		user, password, what := decodeAuth(f.Auth)
		if what != "" {
			return fail(what)
		}
		f.Username, f.Password = user, password
	}
	switch {
	case f.RegistryToken != "":
		e.Err = ErrRegistryToken
	case f.IdentityToken != "":
		e.Username, e.Secret, e.IdentityToken = TokenUser, f.IdentityToken, true
	case f.Auth == "" && f.Username == "" && f.Password == "":
		e.Marker = true
	case f.Username == "":
		return fail("a password without a user name")
	case f.Auth == "" && f.Password == "":
		return fail("a user name without a password")
	default:
		e.Username, e.Secret = f.Username, f.Password
	}
	return e
}

// decodeAuth splits base64(user:password), padded or not. NULs around the
// password are cut, as docker and podman do. The last result says what is wrong.
func decodeAuth(auth string) (user, password, wrong string) {
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(auth, "=\r\n"))
	if err != nil {
		return "", "", "auth is not base64" // the cause would tell of the text
	}
	user, password, found := strings.Cut(string(raw), ":")
	switch {
	case !found:
		return "", "", "auth has no colon between user name and password"
	case user == "":
		return "", "", "auth has no user name"
	}
	return user, strings.Trim(password, "\x00"), ""
}
