package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"regshape/scripts/testregistry/canary"
)

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
		for _, e := range canary.Encodings {
			echoes[e.Encode(secret)], echoes[e.Encode("u:"+secret)] = true, true
			text, _ := json.Marshal(map[string]string{"error": "invalid_grant", "error_description": "got " + e.Encode("u:"+secret)})
			send(form, e.Encode(secret), string(text))
			send(form, "", fmt.Sprintf(`{"errors":[{"message":"%s"}]}`, canary.EachRune(e.Encode(secret), `\u%04x`)))
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
