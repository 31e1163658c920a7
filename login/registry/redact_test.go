package registry

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry/canary"
)

// encodings are ways in which a server may write what it was sent.
var encodings = []struct {
	name   string
	encode func(string) string
}{
	{"raw", func(s string) string { return s }},
	{"query", url.QueryEscape},
	{"query, lower case", func(s string) string { return lowerEscapes(url.QueryEscape(s)) }},
	{"path", url.PathEscape},
	{"path, lower case", func(s string) string { return lowerEscapes(url.PathEscape(s)) }},
	{"percent, every byte", func(s string) string { return eachByte(s, "%%%02X") }},
	{"percent, every byte, lower case", func(s string) string { return eachByte(s, "%%%02x") }},
	{"base64", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }},
	{"base64, unpadded", func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) }},
	{"base64url", func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) }},
	{"base64url, unpadded", func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }},
	{"hex in groups", func(s string) string { return fmt.Sprintf("% x", s) }},
	{"base64 in lines", func(s string) string {
		out := ""
		for long := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 50) + s)); long != ""; {
			n := min(10, len(long))
			out, long = out+long[:n]+" ", long[n:]
		}
		return out
	}},
	{"hex", func(s string) string { return hex.EncodeToString([]byte(s)) }},
	{"hex, upper case", func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) }},
	{`\u`, func(s string) string { return eachRune(s, `\u%04x`) }},
	{`\u, upper case`, func(s string) string { return eachRune(s, `\u%04X`) }},
	{`\x`, func(s string) string { return eachByte(s, `\x%02x`) }},
	{"JSON", func(s string) string { b, _ := json.Marshal(s); return string(b) }},
	{"Go", strconv.Quote},
	{"HTML", html.EscapeString},
	{"HTML, numbers", func(s string) string { return eachRune(s, "&#%d;") }},
	{"HTML, hexadecimal numbers", func(s string) string { return eachRune(s, "&#x%x;") }},
}

func eachByte(s, format string) string {
	out := ""
	for _, b := range []byte(s) {
		out += fmt.Sprintf(format, b)
	}
	return out
}

func eachRune(s, format string) string {
	out := ""
	for _, r := range s {
		out += fmt.Sprintf(format, r)
	}
	return out
}

func lowerEscapes(s string) string {
	for i := 0; i+2 < len(s); i++ {
		if s[i] == '%' {
			s = s[:i] + strings.ToLower(s[i:i+3]) + s[i+3:]
		}
	}
	return s
}

// A secret is found in every encoding, on its own and with a user name before it, with
// text around it, and in two encodings over each other.
func TestRedactorEncodings(t *testing.T) {
	for _, secret := range []string{"s3cret-canary-password", "refresh/canary+token==", `qu"oted <canary> & \more`, "pässwörd-cänary", "hunter2"} {
		r, sample := &redactor{}, testenv.NewSample(t, 7)
		r.learn(secret)
		for _, outer := range encodings {
			for _, inner := range encodings {
				for _, before := range []string{"", "alice:", "x", "/token/", "sha256="} {
					if !sample.Take(outer.name+inner.name, before) {
						continue
					}
					text := before + outer.encode(inner.encode("u:"+secret)+" ") + " denied"
					if got := r.safe(text); r.holds(got) || !strings.Contains(got, redacted) || canary.Find([]byte(got), secret) != "" {
						t.Errorf("%q in %s in %s after %q is shown", secret, inner.name, outer.name, before)
					}
				}
			}
		}
		if got := r.safe("GOT " + strings.ToUpper(secret)); !strings.Contains(got, redacted) {
			t.Errorf("%q is shown in upper case", secret)
		}
		for _, text := range []string{
			"authentication rejected", "no such host: registry.example.com/team/app", `{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}`,
			"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "100% of a+b & c \\ d",
		} {
			if got := r.safe(text); got != text {
				t.Errorf("%q is taken to hold %q", text, secret)
			}
		}
	}
}

// However much a server has a trace remember, what was sent is redacted; and no answer
// holds the program up.
func TestTraceFlood(t *testing.T) {
	const refresh, password = "refresh-canary-token", "s3cret"
	flood := func(n int, field string) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`"%s%d":"flood-value-%08d"`, field, i, i))
		}
		return `{` + strings.Join(all, ",") + `}`
	}
	var log bytes.Buffer
	trace := Trace(&log, time.Now)
	send := func(form url.Values, header string, body string) {
		t.Helper()
		req, err := http.NewRequest(http.MethodPost, "https://id.example/token", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		exchangeOnce(t, trace, req, func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Server", header)
			_, _ = io.WriteString(w, body)
		})
	}
	for range 3 {
		send(url.Values{}, "", flood(1500, "a"))
		send(url.Values{}, "", `[`+flood(1000, "token")+`]`)
	}
	echoes := map[string]bool{}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "password": {password}, "client_id": {"cli"}}
	for _, secret := range []string{refresh, password} {
		for _, e := range encodings {
			echoes[e.encode(secret)], echoes[e.encode("u:"+secret)] = true, true
			text, _ := json.Marshal(map[string]string{"error": "invalid_grant", "error_description": "got " + e.encode("u:"+secret)})
			send(form, e.encode(secret), string(text))
			send(form, "", fmt.Sprintf(`{"errors":[{"message":"%s"}]}`, eachRune(e.encode(secret), `\u%04x`)))
		}
	}
	if how := canary.Find(log.Bytes(), refresh, password); how != "" {
		t.Errorf("a secret is shown: %s", how)
	}
	for echo := range echoes {
		if strings.Contains(log.String(), echo) {
			t.Errorf("%q is shown", echo)
		}
	}
	if !strings.Contains(log.String(), "* sent 89 bytes: client_id=cli&grant_type=refresh_token&password=[redacted]&refresh_token=[redacted]") {
		t.Error("the form is not shown")
	}
}

// What is hard to decode is not shown, and takes no time.
func TestRedactor_bounded(t *testing.T) {
	r := &redactor{}
	r.learn("canary")
	for name, text := range map[string]string{
		"nested":  strings.Repeat(`%25%5C\u0025&amp;+QUFB`, maxPreview/22),
		"letters": strings.Repeat("QUFB", maxPreview/4),
		"words":   strings.Repeat("requested access is denied ", maxPreview/27),
	} {
		start := time.Now()
		r.safe(text)
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
	}
	if words := strings.Repeat("requested access is denied ", maxPreview/27); r.safe(words) != words {
		t.Error("plain words are not shown")
	}
}

// FuzzRedactorEncodings has a server put a secret through encodings of its choice.
func FuzzRedactorEncodings(f *testing.F) {
	f.Add("", "", uint8(0), uint8(7), uint8(1))
	f.Add("Basic ", "==", uint8(8), uint8(14), uint8(12))
	f.Add(`{"message":"`, `"}`, uint8(14), uint8(5), uint8(10))
	f.Fuzz(func(t *testing.T, before, after string, a, b, c uint8) {
		const secret = "s3cret-Canary/pass+word"
		r := &redactor{}
		r.learn(secret)
		text := secret
		for _, i := range []uint8{a, b, c} {
			text = encodings[int(i)%len(encodings)].encode(text)
		}
		// The letters around may continue a run and shift it, no more than that.
		if shown := r.safe(before + " " + text + " " + after); strings.Contains(shown, text) || canary.Find([]byte(shown), secret) != "" {
			t.Fatalf("%s of %s of %s is shown: %q", encodings[int(c)%len(encodings)].name, encodings[int(b)%len(encodings)].name, encodings[int(a)%len(encodings)].name, shown)
		}
	})
}
