package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"regshape/store/printable"
)

// Kind is what a credential's secret is.
type Kind string

// The kinds of credentials.
const (
	KindPassword      Kind = "password"
	KindIdentityToken Kind = "identity-token" // a refresh token, used with the user name "<token>"
	KindDevice        Kind = "device"         // an access token that Renew renews
)

// Transport is how the registry was reached when the credential was verified.
type Transport string

// The transports.
const (
	TransportHTTPS    Transport = "https"
	TransportInsecure Transport = "https-insecure" // TLS without verification
	TransportHTTP     Transport = "http"
)

// Credential is what a sealed file holds. Times are UTC, to the second; a zero time
// means never.
type Credential struct {
	ServerURL  string    // the address as the caller last spelled it
	Canonical  string    // its canonical form; set by Put
	Username   string    //
	Secret     string    // any valid UTF-8
	Kind       Kind      //
	Transport  Transport `json:",omitempty"` // empty if not known
	CAFile     string    `json:",omitempty"` // absolute path of the CA file used
	Created    time.Time // when the address was first stored; set by Put
	Updated    time.Time // when it was last stored; set by Put
	VerifiedAt time.Time `json:",omitzero"` // when the registry last accepted it
	Expires    time.Time `json:",omitzero"` // after that it is not returned
	Renew      *Renewal  `json:",omitempty"`
	Program    *Program  `json:",omitempty"` // of a login without a secret of its own: makes them
	Answer     *Answer   `json:",omitempty"` // of an entry that is no login: what a program made

	payload []byte // as read, for the fields that this version does not know
	asked   string // of a pattern: the address that it was found for
}

// Renewal is what renews the access token of a device login.
type Renewal struct {
	Issuer   string
	ClientID string
	Scope    string
	Token    string // the refresh token, a secret
}

// String names the credential without its secret.
func (c Credential) String() string { return c.Username + "@" + printable.Address(c.ServerURL) }

// GoString hides the secret from %#v.
func (c Credential) GoString() string { return c.String() }

// String hides the refresh token.
func (r Renewal) String() string { return r.ClientID + "@" + r.Issuer }

// GoString hides the refresh token from %#v.
func (r Renewal) GoString() string { return r.String() }

// Expired reports whether the credential's time has run out. That of a program's login never
// does.
func (c Credential) Expired(now time.Time) bool {
	return c.Program == nil && !c.Expires.IsZero() && !now.Before(c.Expires)
}

// validate refuses what JSON would silently repair.
func (c Credential) validate() error {
	for what, s := range map[string]string{"server address": c.ServerURL, "user name": c.Username, "secret": c.Secret} {
		if !utf8.ValidString(s) {
			return fmt.Errorf("the %s is %w", what, ErrNotUTF8)
		}
	}
	return nil
}

// replaces copies from the old entry of the same address what belongs to the address and not
// to the login: its age, fields of newer versions, and, if the new login does not say how the
// registry is reached, the CA file, which is the user's choice for the registry and verifies
// more, not less. Plain http or no verification belongs to the secret that was verified that
// way, and another secret drops it.
func (c *Credential) replaces(old Credential) {
	c.Created, c.payload = old.Created, old.payload
	if c.Transport != "" {
		return
	}
	c.CAFile = old.CAFile
	if old.Transport == TransportHTTPS || c.Username == old.Username && c.Secret == old.Secret {
		c.Transport = old.Transport
	}
}

// marshal returns the payload to seal: the known fields over those of the entry that
// was there before.
func (c Credential) marshal() ([]byte, error) {
	known, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode credential: %w", err)
	}
	if c.payload == nil {
		return known, nil
	}
	return mergeUnknown[Credential](c.payload, known)
}

// unmarshalCredential reads an opened payload.
func unmarshalCredential(payload []byte) (Credential, error) {
	payload = trimPadding(payload)
	c, ok := plainCredential(payload)
	if !ok {
		if err := json.Unmarshal(payload, &c); err != nil {
			// The cause may quote the payload, which is secret.
			return Credential{}, fmt.Errorf("%w: its content is not a credential", ErrDamaged)
		}
	}
	c.payload = payload
	if c.Secret != "" {
		c.Program = nil // version 0.1.0, which does not know it, has stored another login here
	}
	return c, nil
}

// plainCredential reads what nearly all payloads are: fields of this version, whose values
// are strings without escapes, or a program's. ok reports whether this one is; encoding/json
// reads any other, and would read this one alike. A list of thousands would spend a quarter of
// its time there, and to learn the fields of a program takes it longer than a get may.
func plainCredential(payload []byte) (c Credential, ok bool) {
	rest, ok := plainObject(string(payload), `{"`, func(name, s string) (string, bool) {
		switch {
		case name == "Program" && c.Program == nil:
			c.Program = &Program{}
			return plainObject(s, `:{"`, c.Program.set)
		case name == "Answer" && c.Answer == nil:
			c.Answer = &Answer{}
			return plainObject(s, `:{"`, c.Answer.set)
		}
		value, rest, ok := cutPlain(s, `:"`)
		return rest, ok && c.set(name, value)
	})
	if !ok || rest != "" {
		return Credential{}, false
	}
	return c, true
}

// plainObject reads an object by a function that is given each name and what follows it, and
// returns what follows the value.
func plainObject(s, opening string, set func(name, s string) (rest string, ok bool)) (rest string, ok bool) {
	for ; ; opening = `,"` {
		var name string
		if name, s, ok = cutPlain(s, opening); !ok {
			return "", false
		}
		if s, ok = set(name, s); !ok {
			return "", false
		}
		if rest, ok = strings.CutPrefix(s, "}"); ok {
			return rest, true
		}
	}
}

// set sets a field, as plainObject asks.
func (p *Program) set(name, s string) (rest string, ok bool) {
	value, rest, ok := cutPlain(s, `:"`)
	switch name {
	case "ID":
		p.ID = value
	case "Path":
		p.Path = value
	case "Helper":
		rest, p.Helper = strings.CutPrefix(s, ":true")
		ok = p.Helper
	case "Words":
		p.Words = nil
		for opening := `:["`; ; opening = `,"` {
			if value, s, ok = cutPlain(s, opening); !ok {
				return "", false
			}
			p.Words = append(p.Words, value)
			if rest, ok = strings.CutPrefix(s, "]"); ok {
				return rest, true
			}
		}
	default: // Every, too, is rare
		ok = false
	}
	return rest, ok
}

// set sets a field, as plainObject asks.
func (a *Answer) set(name, s string) (rest string, ok bool) {
	value, rest, ok := cutPlain(s, `:"`)
	var at *time.Time
	switch name {
	case "Made":
		at = &a.Made
	case "Ends":
		at = &a.Ends
	case "Tried":
		at = &a.Tried
	case "Before":
		a.Before = value
		return rest, ok
	case "Problem":
		a.Problem = value
		return rest, ok
	default:
		return "", false
	}
	return rest, ok && at.UnmarshalText([]byte(value)) == nil
}

// cutPlain cuts off a string of JSON that stands for itself, and what opens it. Where
// there is none, nothing is left.
func cutPlain(s, opening string) (value, rest string, ok bool) {
	s, ok = strings.CutPrefix(s, opening)
	end := strings.IndexByte(s, '"')
	if !ok || end < 0 || strings.ContainsFunc(s[:end], isEscape) {
		return "", "", false
	}
	return s[:end], s[end+1:], true
}

// isEscape tells what JSON writes otherwise, and all that is not ASCII, since that may be
// no UTF-8.
func isEscape(r rune) bool { return r < ' ' || r == '\\' || r >= utf8.RuneSelf }

// set sets the field that JSON calls name, and says whether there is one for a string.
func (c *Credential) set(name, value string) bool {
	switch name {
	case "ServerURL":
		c.ServerURL = value
	case "Canonical":
		c.Canonical = value
	case "Username":
		c.Username = value
	case "Secret":
		c.Secret = value
	case "Kind":
		c.Kind = Kind(value)
	case "Transport":
		c.Transport = Transport(value)
	case "CAFile":
		c.CAFile = value
	case "Created":
		return c.Created.UnmarshalText([]byte(value)) == nil
	case "Updated":
		return c.Updated.UnmarshalText([]byte(value)) == nil
	case "VerifiedAt":
		return c.VerifiedAt.UnmarshalText([]byte(value)) == nil
	case "Expires":
		return c.Expires.UnmarshalText([]byte(value)) == nil
	default:
		return false
	}
	return true
}

// trimPadding cuts off the spaces that seal added.
func trimPadding(payload []byte) []byte {
	const many = "                                                                "
	for bytes.HasSuffix(payload, []byte(many)) {
		payload = payload[:len(payload)-len(many)]
	}
	return bytes.TrimRight(payload, " ")
}

// mergeUnknown returns the JSON object known with the fields of before that the struct
// T does not have. Fields of T that known leaves out stay out: they were cleared.
func mergeUnknown[T any](before, known []byte) ([]byte, error) {
	var merged, fields map[string]json.RawMessage
	if err := json.Unmarshal(before, &merged); err != nil {
		return nil, fmt.Errorf("re-read fields: not a JSON object")
	}
	if err := json.Unmarshal(known, &fields); err != nil {
		return nil, fmt.Errorf("re-read fields: not a JSON object")
	}
	t := reflect.TypeFor[T]()
	for name := range merged {
		// encoding/json matches names without regard to case, so this does too.
		if f, has := t.FieldByNameFunc(func(f string) bool { return strings.EqualFold(f, name) }); has && f.IsExported() {
			delete(merged, name)
		}
	}
	for name, value := range fields {
		merged[name] = value
	}
	return json.Marshal(merged)
}
