package registry

import (
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"regshape/store"
)

// shownSafely reports whether the words of a failure are fit for a terminal and hold none
// of the secret part of a URL.
func shownSafely(f *failure, canary string) bool {
	text := f.message + f.detail + f.suggested
	return f.message != "" && !strings.ContainsAny(text, "\x1b\n\r\x00") && !strings.Contains(text, canary)
}

// Where a registry sends for tokens is an http or https URL with a host, no user name, and
// no less safe than the registry itself.
func FuzzRealm(f *testing.F) {
	for _, s := range []string{
		"https://auth.example/token?service=x#f", "http://auth.example", "https://u:p@auth.example/", "//auth.example/t", "https:///t", "HTTPS://[::1]:5000/t",
		"https://a\x1b.example/", "ftp://x", "https://:443/", "https://a.example:/t", "https://a.example\\@b.example/",
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, realm string, secure bool) {
		const canary = "CANARYPASS"
		scheme := "http"
		if secure {
			scheme = "https"
		}
		if strings.Contains(realm, canary) {
			return
		}
		for _, realm := range []string{realm, strings.Replace(realm, "://", "://u:"+canary+"@", 1)} {
			u, fail := parseRealm(realm, &url.URL{Scheme: scheme, Host: "reg.example"})
			if fail != nil {
				if u != nil || fail.outcome != Protocol || !shownSafely(fail, canary) {
					t.Fatalf("%q: %+v", realm, fail)
				}
				continue
			}
			if u.Scheme != "https" && (secure || u.Scheme != "http") || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
				t.Fatalf("%q leads to %s", realm, u)
			}
			again, fail := parseRealm(u.String(), &url.URL{Scheme: scheme, Host: "reg.example"})
			if fail != nil || again.Host != u.Host || again.Scheme != u.Scheme {
				t.Fatalf("%q leads to %s, and that to %v (%+v)", realm, u, again, fail)
			}
		}
	})
}

// A redirect never makes a request less safe, and takes no secret to another origin.
func FuzzRedirect(f *testing.F) {
	for _, s := range []string{
		"/v2/x", "//evil.example/", "https://reg.example:443/v2/", "http://reg.example/", "https://REG.example/", "https://u:p@reg.example/", "?a=b",
		"https://reg.example:4430/", "", "javascript:1", "https://reg.example.evil.example/", "\thttps://evil.example", `https:\\evil.example`, "https://reg.example\x00.evil.example/",
	} {
		f.Add(s, 307, true, false)
		f.Add(s, 302, false, true)
	}
	f.Fuzz(func(t *testing.T, location string, status int, auth, form bool) {
		const canary = "CANARYPASS"
		if !isRedirect(status) || strings.Contains(location, canary) {
			return
		}
		for _, scheme := range []string{"https", "http"} {
			q := request{url: &url.URL{Scheme: scheme, Host: "reg.example", Path: "/v2/"}}
			if auth {
				q.auth = "Basic " + canary
			}
			if form {
				q.form = url.Values{"password": {canary}}
			}
			for _, location := range []string{location, strings.Replace(location, "://", "://u:"+canary+"@", 1)} {
				next, fail := redirect(q, &response{status: status, header: http.Header{"Location": {location}}})
				if fail != nil {
					if next != nil || !shownSafely(fail, canary) {
						t.Fatalf("%q: %+v", location, fail)
					}
					continue
				}
				switch {
				case next.Scheme != "https" && (next.Scheme != "http" || scheme == "https"), next.Host == "", next.User != nil:
					t.Fatalf("%q leads from %s to %s", location, q.url, next)
				case q.secret() && (next.Scheme != scheme || !strings.EqualFold(next.Hostname(), "reg.example") || port(next) != port(q.url)):
					t.Fatalf("%q takes a secret from %s to %s", location, q.url, next)
				case form && status != http.StatusTemporaryRedirect && status != http.StatusPermanentRedirect:
					t.Fatalf("%d makes a GET of a form", status)
				}
			}
		}
	})
}

// A wait that a server asks for is between nothing and a day.
func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"3", "99999999999999999999", "-1", " 5 ", "Fri, 01 Jan 2100 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "0x10", "1e9", ""} {
		f.Add(s, int64(1_800_000_000))
	}
	f.Fuzz(func(t *testing.T, value string, now int64) {
		wait, asked := retryAfter(http.Header{"Retry-After": {value}}, time.Unix(now, 0))
		if wait < 0 || wait > 24*time.Hour || !asked && wait != 0 {
			t.Fatalf("%q asks for %v, %v", value, wait, asked)
		}
		if n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64); err == nil && !strings.HasPrefix(strings.TrimSpace(value), "+") {
			if !asked || n <= 86400 && wait != time.Duration(n)*time.Second {
				t.Fatalf("%q asks for %v, %v", value, wait, asked)
			}
		}
	})
}

// An address that a user types becomes the host of a URL and no more than the host, which
// stands for itself when it is read again. The error holds nothing of it.
func FuzzEndpoint(f *testing.F) {
	for _, s := range []string{
		"ghcr.io", "GHCR.io:443", "::1", "[::1]:5000", "localhost:5000", "docker.io", "u:p@h", "h/x", "h:", "h:0", "h:65536", "[fe80::1%25eth0]", "a b", "ex\u00e4mple.com",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, addr string) {
		host, err := endpoint(store.ParseAddress(addr))
		if err != nil {
			if host != "" || err != errAddress { //nolint:errorlint // nothing is to be added
				t.Fatalf("%q: %q, %v", addr, host, err)
			}
			return
		}
		u, err := url.Parse("https://" + host + "/v2/")
		if err != nil || u.Host != host || u.User != nil || u.Path != "/v2/" || u.RawQuery != "" || u.Hostname() == "" {
			t.Fatalf("%q gives the host %q, and that the URL %v (%v)", addr, host, u, err)
		}
		again, err := endpoint(store.ParseAddress(host))
		if err != nil || again != strings.TrimSuffix(host, ":443") { // which http:// keeps
			t.Fatalf("%q gives the host %q, and that %q (%v)", addr, host, again, err)
		}
	})
}

// The folder of a server's certificates is below the folder of all, and one level below.
func FuzzCertDirNames(f *testing.F) {
	for _, s := range []string{"ghcr.io", "ghcr.io:443", "..", ".", "../x", "a/../b", `a\b`, "[::1]:5000", "registry-1.docker.io", "a:", "nul", "\x00", ":443", "..:443"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		u := &url.URL{Scheme: "https", Host: host}
		for _, name := range certDirNames(u) {
			path := filepath.Join("/certs.d", name)
			if filepath.Dir(path) != filepath.Clean("/certs.d") || filepath.Base(path) != name || name != strings.ToLower(name) {
				t.Fatalf("%q leads to %q", host, path)
			}
		}
	})
}

// atonAddr reads a host name as C's inet_aton does, which proxies and resolvers use: 127.1,
// 0x7f000001, 017700000001.
func atonAddr(host string) (netip.Addr, bool) {
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var value uint64
	for i, part := range parts {
		// It knows no underscores and no 0b or 0o, which Go's base 0 does.
		if part == "" || strings.ContainsAny(part, "_+-bBoO") && !strings.HasPrefix(strings.ToLower(part), "0x") || strings.ContainsAny(part, "_+-") {
			return netip.Addr{}, false
		}
		n, err := strconv.ParseUint(part, 0, 32)
		last := i == len(parts)-1
		switch {
		case err != nil, !last && n > 255, last && n >= 1<<(8*(4-i)):
			return netip.Addr{}, false
		case last:
			value = value<<(8*(4-i)) | n
		default:
			value = value<<8 | n
		}
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), true
}

// No spelling of an address that a proxy may resolve gets past the check of its zone.
func FuzzLiteralClass(f *testing.F) {
	for _, s := range []string{
		"127.0.0.1", "127.1", "0x7f.1", "017700000001", "2130706433", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "localhost.", "a.LOCALHOST",
		"169.254.169.254.", "0x7f000001.", "fe80::1%eth0", "example.com", "1.example", "", "::1.",
		"169\u3002254\u3002169\u3002254", "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		z, err := literalClass(host)
		if err != nil {
			return // refused
		}
		if strings.ContainsFunc(host, func(r rune) bool { return r > 127 }) {
			t.Fatalf("%q is passed on, and net/http may make an address of it", host)
		}
		bare := strings.TrimSuffix(host, ".")
		if ip, parseErr := netip.ParseAddr(bare); parseErr == nil && classOf(ip) != z {
			t.Fatalf("%q is in zone %q, and %s in %q", host, z, ip, classOf(ip))
		}
		if ip, ok := atonAddr(bare); ok && classOf(ip) != z {
			t.Fatalf("%q is in zone %q, and a resolver may take it for %s in %q", host, z, ip, classOf(ip))
		}
	})
}

// A trace shows no secret that is known, in whatever part of an exchange it stands, and
// nothing that a terminal may obey.
func FuzzRedactor(f *testing.F) {
	f.Add("Location", "https://u:p@h.example/x?token=", "&scope=a")
	f.Add("Www-Authenticate", `Bearer realm="https://a/?x=`, `",service="s`)
	f.Add("Server", "\x1b[31m", "\u202e")
	f.Add("Authorization", "Bearer ", "")
	f.Add("X", `{"errors":[{"message":"`, `"}],"token":"12345678"}`)
	f.Fuzz(func(t *testing.T, name, before, after string) {
		const canary = "s3cret-canary-password"
		if strings.Contains(name, canary) {
			return
		}
		r := &redactor{}
		r.Learn(canary)
		value := before + canary + after
		shown := []string{r.header(name, value), r.header("Location", value), r.header("Www-Authenticate", value), r.challenges(value), r.json([]byte(value)), r.text(value)}
		if u, err := url.Parse(value); err == nil {
			shown = append(shown, r.url(u))
		}
		for _, text := range shown {
			if strings.Contains(text, canary) {
				t.Fatalf("%q shows the secret: %q", value, text)
			}
			if strings.ContainsAny(text, "\x1b\n\r\x00\u202e") {
				t.Fatalf("%q is shown as %q", value, text)
			}
		}
		if strings.Contains(r.params(value), canary) {
			t.Fatalf("%q shows the secret among parameters: %q", value, r.params(value))
		}
	})
}
