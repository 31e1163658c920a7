package authfile

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tailscale/hujson"

	"regshape/store/printable"
)

// TokenUser is the user name under which docker's helpers keep an identity token.
const TokenUser = "<token>"

var (
	// ErrRegistryToken means an entry with a bearer token of one registry, which
	// no helper can hold.
	ErrRegistryToken = errors.New("cannot be moved: registry token")
	// ErrEntry means an entry that holds no usable login, though it should.
	ErrEntry = errors.New("broken entry")
	// ErrAmbiguous means entries of which their owner may use either.
	ErrAmbiguous = errors.New("several entries are for it, and they differ")
	// ErrNoHelper means an empty name in credHelpers of a containers file, which podman
	// cannot run.
	ErrNoHelper = errors.New("credHelpers has an empty name of a helper")
	// ErrTwoSecrets means an entry with a password beside its identity token. A client uses
	// either, as the registry asks.
	ErrTwoSecrets = errors.New("a password beside an identity token")
	// ErrMembers means an entry with members that are not part of its login.
	ErrMembers = errors.New("the entry also holds")
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

	// More says what of the entry is not in Username and Secret, and would be lost with the
	// entry: ErrTwoSecrets, ErrMembers or ErrDuplicate, wrapped; nil for nothing. An e-mail
	// address counts for nothing: no client uses it any more.
	More error
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
				if !e.Marker && e.Err == nil {
					e.More = ErrDuplicate
				}
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
	clear := f
	if f.Auth != "" {
		user, password, what := decodeAuth(f.Auth)
		if what != "" {
			return fail(what)
		}
		f.Username, f.Password = user, password
		if user == "" { // of nobody: podman takes it for no login, docker refuses the file
			f.Auth = ""
		}
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
	if e.Err == nil && !e.Marker {
		e.More = f.more(clear, v)
	}
	return e
}

// more says what an entry holds beside the login that f is. Before "auth" was decoded its
// fields were clear.
func (f authFields) more(clear authFields, v hujson.Value) error {
	if f.IdentityToken != "" && f.Password != "" {
		return ErrTwoSecrets
	}
	// docker and podman take the user name and the password out of "auth" alone.
	if f.Auth != "" && clear.Username != "" && clear.Username != f.Username {
		return fmt.Errorf("%w another user name than its auth", ErrMembers)
	}
	if f.Auth != "" && clear.Password != "" && clear.Password != f.Password {
		return fmt.Errorf("%w another password than its auth", ErrMembers)
	}
	o, _ := v.Value.(*hujson.Object)
	if o == nil {
		return nil
	}
	var seen []string
	for i := range o.Members {
		name, value := nameOf(&o.Members[i]), o.Members[i].Value.Value
		same := func(other string) bool { return strings.EqualFold(name, other) }
		switch lit, _ := value.(hujson.Literal); {
		case slices.ContainsFunc(loginMembers, same) && slices.ContainsFunc(seen, same):
			return fmt.Errorf("%w %q more than once", ErrMembers, printable.Line(name, 64))
		case slices.ContainsFunc(loginMembers, same), string(lit) == "null", string(lit) == `""`, string(lit) == "false":
		case slices.ContainsFunc(idleMembers, same) && value.Kind() == '"':
		default:
			return fmt.Errorf("%w %q", ErrMembers, printable.Line(name, 64))
		}
		seen = append(seen, name)
	}
	return nil
}

// loginMembers are a login. idleMembers docker wrote beside it and does not use any more:
// an e-mail address, and the key of the entry again.
var (
	loginMembers = []string{"username", "password", "auth", "identitytoken", "registrytoken"}
	idleMembers  = []string{"email", "serveraddress"}
)

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
	case user == "" && password != "":
		return "", "", "auth has no user name"
	}
	return user, strings.Trim(password, "\x00"), ""
}
