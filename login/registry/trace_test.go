package registry

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"regshape/store"
)

// canaries are the secrets of the fakes, and what stands for them on the wire.
func canaries() []string {
	return []string{
		"canary", base64.StdEncoding.EncodeToString([]byte(alice.Username + ":" + alice.Secret)),
		base64.StdEncoding.EncodeToString([]byte("<token>:refresh-canary-token")),
	}
}

// TestCanary runs whole logins against a server that puts secrets everywhere it can,
// and looks for them in everything that a user could get to see.
func TestCanary(t *testing.T) {
	var cred Credential // of the login that runs
	leaky := func(s *site, w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Set-Cookie", "session=cookie-canary-value")
		h.Set("X-Odd", "odd-canary-value")
		h.Set("Etag", `"etag-canary"`)
		h.Set("Www-Authenticate", `Odd canary68, Basic canary-param="x", Negotiate bmVnLWNhbmFyeQcanary==`)
		if auth := r.Header.Get("Authorization"); auth != "" {
			h.Set("Server", auth)
			h.Set("Via", "1.1 "+cred.Secret)
		}
		if r.URL.Path == "/token" && r.URL.Query().Get("hop") == "" && r.Method == http.MethodGet {
			http.Redirect(w, r, "/token?hop=hop-canary&"+r.URL.RawQuery, http.StatusTemporaryRedirect)
			return
		}
		if r.URL.Path == "/v2/" && r.Header.Get("Authorization") != "" {
			reply(w, http.StatusForbidden, map[string]any{
				"errors":      []any{map[string]any{"code": "DENIED", "message": "no " + r.Header.Get("Authorization") + cred.Secret}},
				"odd":         "unknown-canary-field",
				"id_canary00": 1,
				"expires_in":  300,
			})
			return
		}
		if r.URL.Path == "/v2/" {
			h.Add("Www-Authenticate", `Bearer realm="`+s.URL+`/token?key=key-canary&service=x",service="fake",odd="odd-canary-param"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		bearerRegistry(s, w, r)
	}
	basicOnly := func(s *site, w http.ResponseWriter, r *http.Request) {
		if basicOK(r) {
			leaky(s, w, r)
			return
		}
		basicRegistry(s, w, r)
	}
	for name, handler := range map[string]func(*site, http.ResponseWriter, *http.Request){"bearer": leaky, "basic": basicOnly} {
		for _, cred = range []Credential{
			alice,
			{Username: "alice", Secret: "wrong-canary & <odd> \"quoted\""},
			{Secret: "refresh-canary-token", IdentityToken: true},
			{Secret: "wrong-canary", IdentityToken: true},
		} {
			s := serve(t, true, handler)
			var trace, timing bytes.Buffer
			c := client(t, Options{Insecure: true, WantIdentityToken: true, Wrap: []func(http.RoundTripper) http.RoundTripper{
				Trace(&trace, time.Now), TimeCalls(&timing, time.Now),
			}})
			r := c.Verify(t.Context(), store.ParseAddress(s.host()), "repository:a/b:pull", cred)
			said := trace.String() + timing.String() + r.Message + r.Suggested + r.Detail + fmt.Sprintf("%v %+v %#v %s", r, r, r, r) +
				fmt.Sprintf("%v %+v %#v %s %q %d", cred, cred, cred, &cred, cred, cred)
			said = strings.ReplaceAll(said, "id_canary00", "") // a field's name is no secret
			said = strings.ReplaceAll(said, "key=[redacted]", "")
			for _, secret := range canaries() {
				if i := strings.Index(said, secret); i >= 0 {
					t.Errorf("%s: %q shows up: …%s…", name, secret, said[max(0, i-80):min(len(said), i+80)])
				}
			}
			if !strings.Contains(trace.String(), "\n> GET /v2/ HTTP/1.1\n") || strings.Count(timing.String(), "\n") < 1 {
				t.Errorf("%s: no trace:\n%s", name, trace.String())
			}
		}
	}
}

// exchangeOnce sends one request through a decorator to a canned answer.
func exchangeOnce(t *testing.T, wrap func(http.RoundTripper) http.RoundTripper, req *http.Request, answer func(http.ResponseWriter)) string {
	t.Helper()
	next := roundTripper(func(*http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		answer(rec)
		res := rec.Result()
		res.ContentLength = int64(rec.Body.Len())
		return res, nil
	})
	res, err := wrap(next).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTrace_format(t *testing.T) {
	var out bytes.Buffer
	form := url.Values{"grant_type": {"password"}, "username": {"alice"}, "password": {"hunter22"}}.Encode()
	req, err := http.NewRequest(http.MethodPost, "https://auth.example/token?service=reg&state=abc&x", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "regshape/1")
	req.Header.Set("Authorization", "Bearer abcdefghijkl")
	body := `{"token":"abcdefgh","expires_in":60,"pin":1234,"ok":true,"message":"hi hunter22\u001b"}`
	got := exchangeOnce(t, Trace(&out, stopped), req, func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Location", "https://u:pw@x/y?token=1")
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://r/t",service="s"`)
		w.Header().Set("X-Secret", "1")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, body)
	})
	if got != body {
		t.Errorf("the caller got %q", got)
	}
	want := `* https://auth.example
> POST /token?service=reg&state=[redacted]&[redacted] HTTP/1.1
> Host: auth.example
> Authorization: Bearer [redacted]
> User-Agent: regshape/1
>
* sent 52 bytes: grant_type=password&password=[redacted]&username=alice
< HTTP/1.1 401 Unauthorized
< Content-Type: application/json
< Location: https://x/y?token=[redacted]
< Www-Authenticate: bearer realm="https://r/t",service="s"
< X-Secret: [redacted]
<
* received 87 bytes after 0.0 ms: {"expires_in":60,"message":"hi [redacted]","ok":true,"pin":"[redacted]","token":"[redacted]"}
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// TestTrace_longBody: what is too long for a preview still arrives whole.
func TestTrace_longBody(t *testing.T) {
	var out bytes.Buffer
	req, _ := http.NewRequest(http.MethodGet, "https://x/", nil)
	long := `{"a":"` + strings.Repeat("canary", maxPreview) + `"}`
	got := exchangeOnce(t, Trace(&out, stopped), req, func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/vnd.x+json; charset=utf-8")
		_, _ = io.WriteString(w, long)
	})
	if got != long || strings.Contains(out.String(), "canary") {
		t.Errorf("got %d of %d bytes; trace %q", len(got), len(long), out.String())
	}
}

func TestTimeCalls(t *testing.T) {
	var out bytes.Buffer
	clock := time.Unix(0, 0)
	now := func() time.Time { clock = clock.Add(12300 * time.Microsecond); return clock }
	req, _ := http.NewRequest(http.MethodGet, "https://u:p@x.example/v2/?token=canary", nil)
	exchangeOnce(t, TimeCalls(&out, now), req, func(w http.ResponseWriter) { w.WriteHeader(404) })
	_, err := TimeCalls(&out, now)(roundTripper(func(*http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("canary: %w", io.EOF)
	})).RoundTrip(req)
	if err == nil {
		t.Error("the error was lost")
	}
	want := "GET https://x.example/v2/: 404 Not Found, 12.3 ms\n" +
		"GET https://x.example/v2/: the connection was closed without a response, 12.3 ms\n"
	if out.String() != want {
		t.Errorf("got %q", out.String())
	}
}

// stopped is a clock for texts that show times.
func stopped() time.Time { return time.Time{} }
