package source

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"regshape/store"
)

var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// jwt is a JSON Web Token with these claims, and an ECR token is their base64.
func jwt(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func TestParse(t *testing.T) {
	in := func(d time.Duration) string { return fmt.Sprint(noon.Add(d).Unix()) }
	for _, c := range []struct {
		name, out, user string
		helper          bool
		every           time.Duration
		want            string // "user secret life", or the error
	}{
		{"a line", "tok\n", "alice", false, 0, "alice tok 15m0s"},
		{"a line of Windows", "tok\r\n", "alice", false, 0, "alice tok 15m0s"},
		{"blanks are the secret's", " tok \n", "alice", false, 0, "alice  tok  15m0s"},
		{"a line with a life", "tok\n", "alice", false, time.Hour, "alice tok 1h0m0s"},
		{"a line for nobody", "tok\n", "", false, 0, ErrNoUser.Error()},
		{"nothing", "\n", "alice", false, 0, errEmpty.Error()},
		{"lines", "a\nb\n", "alice", false, 0, errLines.Error()},
		{"lines after an empty one", "a\n\n", "alice", false, 0, errLines.Error()},
		{"bytes", "a\xffb", "alice", false, 0, errEncoding.Error()},
		{"an object", `{"Username":"bob","Secret":"s"}`, "alice", false, 0, "bob s 15m0s"},
		{"an object of several lines", "{\n \"Username\":\"bob\",\n \"Secret\":\"s\"\n}\n", "", false, 0, "bob s 15m0s"},
		{"an object with an end", `{"Username":"bob","Secret":"s","ExpiresAt":"2026-12-01T14:00:00+01:00"}`, "", false, time.Minute, "bob s 1h0m0s"},
		{"an object with an end before its token's", `{"Username":"bob","Secret":"` + jwt(`{"exp":`+in(time.Hour)+`}`) + `","ExpiresAt":"2026-12-01T12:05:00Z"}`, "", false, 0, "bob " + jwt(`{"exp":`+in(time.Hour)+`}`) + " 5m0s"},
		{"an end within a second", `{"Username":"bob","Secret":"s","ExpiresAt":"2026-12-01T12:05:00.999Z"}`, "", false, 0, "bob s 5m0s"},
		{"a null end", `{"Username":"bob","Secret":"s","ExpiresAt":null}`, "", false, 0, "bob s 15m0s"},
		{"two objects", `{"Username":"bob","Secret":"s"}{}`, "", false, 0, errObject.Error()},
		{"no secret", `{"Username":"bob"}`, "", false, 0, errObject.Error()},
		{"no user", `{"Secret":"s"}`, "alice", false, 0, errObject.Error()},
		{"half an object", `{"Username":"bob","Secret":`, "alice", false, 0, errObject.Error()},
		{"what only begins like one", "{tok}", "alice", false, 0, errObject.Error()},
		{"another end", `{"Username":"bob","Secret":"s","ExpiresAt":"noon"}`, "", false, 0, errObject.Error()},
		{"an empty object", " {}\n", "alice", false, 0, store.ErrNotFound.Error()},
		{"ended", `{"Username":"bob","Secret":"s","ExpiresAt":"2026-12-01T12:00:00Z"}`, "", false, 0, errEnded.Error()},
		{"far away", `{"Username":"bob","Secret":"s","ExpiresAt":"9999-12-01T12:00:00Z"}`, "", false, 0, "bob s 8760h0m0s"},
		{"a helper", `{"ServerURL":"r","Username":"bob","Secret":"s"}`, "", true, 0, "bob s 15m0s"},
		{"a line of a helper", "tok", "alice", true, 0, errObject.Error()},
		{"a token", jwt(`{"exp":` + in(time.Hour) + `}`), "alice", false, time.Minute, "alice " + jwt(`{"exp":`+in(time.Hour)+`}`) + " 1h0m0s"},
		{"a token with an end within a second", jwt(`{"exp":` + in(time.Hour) + `.9}`), "alice", false, 0, "alice " + jwt(`{"exp":`+in(time.Hour)+`.9}`) + " 1h0m0s"},
		{"a token that has ended", jwt(`{"exp":` + in(-time.Hour) + `}`), "alice", false, time.Minute, errEnded.Error()},
		{"a token without an end", jwt(`{}`), "alice", false, 0, "alice " + jwt(`{}`) + " 15m0s"},
		{"a token of nonsense", jwt(`{"exp":1e300}`), "alice", false, 0, "alice " + jwt(`{"exp":1e300}`) + " 15m0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			a, err := parse([]byte(c.out), store.Program{Helper: c.helper, Every: c.every}, c.user, noon)
			if err != nil {
				got = err.Error()
			} else {
				got = fmt.Sprintf("%s %s %v", a.username, a.secret, a.ends.Sub(noon))
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	ecr := base64.StdEncoding.EncodeToString([]byte(`{"payload":"x","datakey":"y","version":"2","type":"DATA_KEY","expiration":` + in(12*time.Hour) + `}`))
	if a, err := parse([]byte(ecr+"\n"), store.Program{}, "AWS", noon); err != nil || a.ends.Sub(noon) != 12*time.Hour {
		t.Errorf("a token of ECR: %v (%v)", a.ends, err)
	}
}

// Whatever a program prints: a secret of it with an end in the future, or an error that does not
// quote it.
func FuzzParse(f *testing.F) {
	f.Add([]byte("tok\n"), "alice", false)
	f.Add([]byte(`{"Username":"bob","Secret":"s","ExpiresAt":"2026-12-01T14:00:00+01:00"}`), "", true)
	f.Add([]byte(jwt(`{"exp":1796126400}`)), "alice", false)
	f.Fuzz(func(t *testing.T, out []byte, user string, helper bool) {
		a, err := parse(out, store.Program{Helper: helper}, user, noon)
		switch {
		case err == nil && (a.username == "" || a.secret == "" || a.ends.Before(noon) || a.ends.After(noon.Add(longestLife))):
			t.Errorf("%q: got %+v", out, a)
		case err == nil && !helper && a.username == user && !strings.Contains(string(out), a.secret) && !strings.Contains(string(out), `\`):
			t.Errorf("%q: the secret %q is not of it", out, a.secret)
		case err != nil && !errors.Is(err, store.ErrNotFound):
			known := []error{errEmpty, errLines, errObject, ErrNoUser, errEncoding, errEnded}
			for _, k := range known {
				if errors.Is(err, k) {
					return
				}
			}
			t.Errorf("%q: %v", out, err)
		}
	})
}
