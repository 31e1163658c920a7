package source

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"regshape/store"
)

const (
	defaultLife = 15 * time.Minute // of a secret that does not say how long it lives
	longestLife = 365 * 24 * time.Hour
)

// answer is a secret that a program has made.
type answer struct {
	username, secret string
	ends             time.Time
}

// keptAt is the entry of an answer, in place of the last one.
func (a answer) keptAt(made time.Time, last store.Credential) store.Credential {
	before := store.Digest(last.Secret)
	last.Username, last.Secret, last.Kind = a.username, a.secret, store.KindPassword
	if a.username == "<token>" {
		last.Kind = store.KindIdentityToken
	}
	last.Answer = &store.Answer{Made: made, Ends: a.ends, Before: before}
	return last
}

// ErrNoUser means that a program prints secrets alone, for a login without a user name.
var ErrNoUser = errors.New("it printed only a secret, and the login has no user name: give one")

// Errors of an answer. None quotes it.
var (
	errEmpty    = errors.New("it printed nothing")
	errLines    = errors.New("it printed several lines; it must print the secret alone, or a JSON object")
	errObject   = errors.New("it printed no JSON object with Username and Secret")
	errEncoding = errors.New("it printed what is not UTF-8")
	errEnded    = errors.New("it printed a secret that has ended already")
)

// parse reads what a program printed: a JSON object with Username, Secret and perhaps ExpiresAt
// (RFC 3339), or one line, the secret of the user. An object without members, or not-found of
// a helper, is [store.ErrNotFound].
func parse(out []byte, p store.Program, user string, now time.Time) (answer, error) {
	text := strings.TrimSuffix(strings.TrimSuffix(string(out), "\n"), "\r")
	var object struct {
		Username, Secret string
		ExpiresAt        time.Time
	}
	a := answer{username: user, secret: text}
	switch {
	case !utf8.ValidString(text):
		return answer{}, errEncoding
	case strings.TrimSpace(text) == "":
		return answer{}, errEmpty
	case p.Helper || strings.HasPrefix(strings.TrimSpace(text), "{"):
		decoder := json.NewDecoder(bytes.NewReader(out))
		if decoder.Decode(&object) != nil || decoder.More() {
			return answer{}, errObject
		}
		if object.Username == "" && object.Secret == "" {
			return answer{}, store.ErrNotFound
		}
		if a.username, a.secret, a.ends = object.Username, object.Secret, object.ExpiresAt; a.username == "" || a.secret == "" {
			return answer{}, errObject
		}
	case strings.ContainsAny(text, "\r\n"):
		return answer{}, errLines
	case user == "":
		return answer{}, ErrNoUser
	}
	if a.ends.IsZero() {
		a.ends = endOf(a.secret)
	}
	switch {
	case a.ends.IsZero() && p.Every > 0:
		a.ends = now.Add(p.Every)
	case a.ends.IsZero():
		a.ends = now.Add(defaultLife)
	case !a.ends.After(now):
		return answer{}, errEnded
	}
	if latest := now.Add(longestLife); a.ends.After(latest) {
		a.ends = latest
	}
	a.ends = a.ends.UTC().Truncate(time.Second) // as a store keeps times
	return a, nil
}

// endOf finds the end in the secret itself: "exp" of a JSON Web Token (RFC 7519), "expiration"
// of what Amazon ECR gives out, both in seconds since 1970. Zero means that it has none.
func endOf(secret string) time.Time {
	var claims struct {
		Exp        float64 `json:"exp"`
		Expiration float64 `json:"expiration"`
	}
	part := secret
	if parts := strings.Split(secret, "."); len(parts) == 3 {
		part = parts[1]
	}
	for _, encoding := range []*base64.Encoding{base64.RawURLEncoding, base64.StdEncoding} {
		data, err := encoding.DecodeString(part)
		if err != nil || json.Unmarshal(data, &claims) != nil {
			continue
		}
		if end := max(claims.Exp, claims.Expiration); end > 0 && end < 1<<40 {
			return time.Unix(int64(end), 0)
		}
	}
	return time.Time{}
}
