package registry

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRetry(t *testing.T) {
	for _, tt := range []struct {
		name   string
		code   int
		header string
		fails  int
		want   Outcome
		waits  []time.Duration
	}{
		{"429 once", 429, "2", 1, Verified, []time.Duration{2 * time.Second}},
		{"503 without a word", 503, "", 2, Verified, []time.Duration{firstWait, 2 * firstWait}},
		{"503 for ever", 503, "", 99, Unreachable, []time.Duration{firstWait, 2 * firstWait, 4 * firstWait}},
		{"429 for ever", 429, "0", 99, Throttled, []time.Duration{minimalWait, minimalWait, minimalWait}},
		{"429 too long", 429, "3600", 99, Throttled, nil},
		{"503 too long", 503, "99999999999999999999", 99, Unreachable, nil},
		{"429 by date", 429, "Thu, 01 Jan 2026 00:00:03 GMT", 1, Verified, []time.Duration{3 * time.Second}},
		{"429 odd", 429, "soon", 1, Verified, []time.Duration{firstWait}},
		{"501 is final", 501, "", 99, Unreachable, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			left := tt.fails
			s := serve(t, false, func(s *site, w http.ResponseWriter, r *http.Request) {
				if left > 0 {
					left--
					if tt.header != "" {
						w.Header().Set("Retry-After", tt.header)
					}
					w.WriteHeader(tt.code)
					return
				}
				basicRegistry(s, w, r)
			})
			c := client(t, Options{PlainHTTP: true, Timeout: 20 * time.Second})
			clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			var waits []time.Duration
			c.now = func() time.Time { return clock }
			c.sleep = func(_ context.Context, d time.Duration) error {
				waits, clock = append(waits, d), clock.Add(d)
				return nil
			}
			r := c.Verify(t.Context(), s.host(), "", alice)
			if r.Outcome != tt.want || len(waits) != len(tt.waits) {
				t.Fatalf("%v after %v", r, waits)
			}
			for i, d := range tt.waits {
				if waits[i] != d {
					t.Errorf("wait %d: %s, want %s", i, waits[i], d)
				}
			}
		})
	}
}

// TestRetryEndsWithTheCaller: a wait is interrupted.
func TestRetryEndsWithTheCaller(t *testing.T) {
	s := serve(t, false, func(_ *site, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	start := time.Now()
	r := client(t, Options{PlainHTTP: true}).Verify(ctx, s.host(), "", alice)
	if r.Message != "interrupted" || time.Since(start) > 2*time.Second {
		t.Errorf("%v after %s", r, time.Since(start))
	}
}

func TestDetail(t *testing.T) {
	for _, tt := range []struct{ kind, body, want string }{
		{"application/json", `{"errors":[{"code":"DENIED","message":"no \u001b[31mway\u202e"}]}`, "no ?[31mway?"},
		{"application/json", `{"errors":[{"code":"DENIED"}]}`, "DENIED"},
		{"application/json", `{"error":"access_denied","error_description":"locked"}`, "locked"},
		{"application/json", `{"error":{"x":1},"message":"m"}`, "m"},
		{"application/json", `{"errors":"odd","message":"m"}`, "m"},
		{"text/plain", "go away\r\n", "go away"},
		{"text/html", "<h1>go away", ""},
		{"text/plain", "you sent " + alice.Secret, "you sent [redacted]"},
		{"application/json", `{"message":"you sent YWxpY2U6czNjcmV0LWNhbmFyeS1wYXNzd29yZA=="}`, "you sent [redacted]"},
	} {
		s := serve(t, false, func(s *site, w http.ResponseWriter, r *http.Request) {
			if !basicOK(r) {
				basicRegistry(s, w, r)
				return
			}
			w.Header().Set("Content-Type", tt.kind)
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(tt.body))
		})
		r := client(t, Options{}).Verify(t.Context(), s.host(), "", alice)
		if r.Detail != tt.want || !strings.HasSuffix(r.Message, tt.want) || r.Outcome != Forbidden {
			t.Errorf("%s: detail %q, message %q", tt.body, r.Detail, r.Message)
		}
	}
}
