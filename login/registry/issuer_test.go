package registry

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

func TestCheckIssuer(t *testing.T) {
	for issuer, ok := range map[string]bool{
		"https://id.example.com":             true,
		"https://id.example.com/realms/team": true,
		"https://login.docker.com/":          true,
		"http://127.0.0.1:8080":              true,
		"http://localhost/x":                 true,
		"http://id.example.com":              false,
		"id.example.com":                     false,
		"https://":                           false,
		"https://a:b@id.example.com":         false,
		"https://id.example.com?x=y":         false,
		"https://id.example.com?":            false,
		"https://id.example.com#":            false,
		"ftp://id.example.com":               false,
		"https:id":                           false,
		"":                                   false,
	} {
		if err := CheckIssuer(issuer); (err == nil) != ok {
			t.Errorf("%q: %v", issuer, err)
		}
	}
}

func TestMetadata_nearMiss(t *testing.T) {
	base, _ := url.Parse("https://id.example")
	_, fail := readMetadata("https://id.example", base, &response{body: []byte(`{"issuer":"https://id.example/","token_endpoint":"https://id.example/t"}`)})
	if fail == nil || fail.advice != UseIssuer || fail.suggested != "https://id.example/" {
		t.Errorf("no advice at the slash: %+v", fail)
	}
}

func FuzzIssuerMetadata(f *testing.F) {
	f.Add("https://id.example", `{"issuer":"https://id.example","token_endpoint":"https://id.example/t","device_authorization_endpoint":"http://127.0.0.1/d"}`)
	f.Add("http://127.0.0.1:1", `{"issuer":"http://127.0.0.1:1","token_endpoint":"http://127.0.0.1:2/t","revocation_endpoint":"http://a.example/"}`)
	f.Add("https://id.example", `{"issuer":1,"token_endpoint":[],"scopes_supported":{}}`)
	f.Fuzz(func(t *testing.T, issuer, body string) {
		u, err := parseIssuer(issuer)
		if err != nil {
			return
		}
		m, fail := readMetadata(issuer, &url.URL{Scheme: u.Scheme, Host: u.Host}, &response{body: []byte(body)})
		if fail != nil {
			if strings.ContainsAny(fail.message+fail.suggested, "\x1b\n\r") {
				t.Errorf("unsafe text: %q %q", fail.message, fail.suggested)
			}
			return
		}
		if m.token == nil {
			t.Fatal("no token endpoint, and no failure")
		}
		for _, e := range []*url.URL{m.device, m.token, m.revocation} {
			if e == nil {
				continue
			}
			safe := e.Scheme == "https" || u.Scheme == "http" && loopback(e.Host)
			if !safe || e.User != nil || e.Hostname() == "" {
				t.Errorf("endpoint %s of %s", e, issuer)
			}
		}
	})
}

// FuzzIssuerAnswer feeds one answer to everything that reads answers of an issuer.
func FuzzIssuerAnswer(f *testing.F) {
	f.Add(200, "application/json", `{"access_token":"a","refresh_token":"r","expires_in":"3600","id_token":"e30.eyJzdWIiOiJhIn0.x"}`)
	f.Add(200, "application/json", `{"device_code":"d","user_code":"U","verification_uri":"https://x.example","expires_in":9223372036854775807,"interval":-1}`)
	f.Add(400, "application/json", `{"error":"access_denied","error_description":"\u001b[2J"}`)
	f.Add(200, "text/plain", "access_token=a%00b&expires_in=99999999999")
	f.Fuzz(func(t *testing.T, status int, kind, body string) {
		if status < 200 || status > 599 {
			return
		}
		c, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		s, _, fail := c.openIssuer("https://id.example")
		if fail != nil {
			t.Fatal(fail)
		}
		s.rt = roundTripper(func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
		})
		check := func(fail *failure) {
			if fail != nil && strings.ContainsAny(fail.message+fail.suggested+fail.detail, "\x1b\n\r") {
				t.Errorf("unsafe text: %q %q %q", fail.message, fail.suggested, fail.detail)
			}
		}
		res := &response{status: status, header: http.Header{"Content-Type": {kind}}, body: []byte(body)}
		g, fail := s.readRefreshed(res, "old")
		check(fail)
		if fail == nil && (strings.ContainsAny(g.AccessToken, " \r\n\x00") || strings.Contains(g.Username, ":")) {
			t.Errorf("odd grant for %q", g.Username)
		}
		conf := oauth2.Config{ClientID: "c", Endpoint: oauth2.Endpoint{DeviceAuthURL: "https://id.example/d", TokenURL: "https://id.example/t", AuthStyle: oauth2.AuthStyleInParams}}
		ctx := s.oauth(t.Context(), &issuerTransport{s: s})
		code, err := conf.DeviceAuth(ctx)
		if err != nil {
			check(s.oauthFailure(t.Context(), err))
			return
		}
		shown, fail := s.checkCode(code)
		check(fail)
		if fail == nil && (code.Interval < 1 || code.Interval > maxInterval || time.Until(code.Expiry) > maxCodeLife || !strings.HasPrefix(shown.Link, "https://")) {
			t.Errorf("interval %d, expires %v, link %q", code.Interval, code.Expiry, shown.Link)
		}
	})
}
