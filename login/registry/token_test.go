package registry

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"regshape/store/printable"
)

// cached is a stage with a token server, and a count of what it was asked.
func cached(t *testing.T, sc scenario) (*stage, func() int) {
	t.Helper()
	if sc.reg == nil {
		sc.reg = asksBearer(nil)
	}
	st := newStage(t, newHouse(t), sc)
	st.open()
	return st, func() int { return strings.Count(st.asked(), "auth ") }
}

// TestToken_askedOnce: one token serves status, token and login of one run until its
// margin, and nobody else.
func TestToken_askedOnce(t *testing.T) {
	st, asked := cached(t, scenario{auth: gives(map[string]any{"refresh_token": "rotated-canary-token"})})
	c := st.client
	pass := func(d time.Duration) {
		st.mu.Lock()
		defer st.mu.Unlock()
		st.clock = st.clock.Add(d)
	}
	verify := func(scope string, cred Credential, want Outcome) {
		t.Helper()
		if r := c.Verify(t.Context(), "reg.example", scope, cred); r.Outcome != want {
			t.Error(r)
		}
	}
	const scope = "repository:a:pull"
	for i, step := range []struct {
		do   func()
		want int
	}{
		{func() { verify("", alice, Verified) }, 1},
		{func() { verify("", alice, Verified) }, 1},
		{func() { verify(scope, alice, Verified) }, 2},
		{func() { verify(" "+scope, alice, Verified) }, 2},
		{func() { verify("", wrong, Rejected) }, 3},
		{func() { verify("", wrong, Rejected) }, 4}, // a refusal is not remembered
		{func() { verify("", identity, Verified) }, 5},
		{func() { verify("", Credential{Username: "alice2", Secret: alice.Secret}, Rejected) }, 6},
		{func() {
			pass(100 * time.Second)
			tok, r := c.Token(t.Context(), "reg.example", "", alice)
			if tok.Value != "access-canary-token" || tok.ExpiresIn != 200*time.Second || r.IdentityToken != "rotated-canary-token" {
				t.Errorf("%v for %s", r, tok.ExpiresIn)
			}
		}, 6},
		{func() { pass(189 * time.Second); verify("", alice, Verified) }, 6},
		{func() { pass(2 * time.Second); verify("", alice, Verified) }, 7},
		{func() { verify("", alice, Verified) }, 7},
		{func() {
			// Another registry with the same realm gets a token of its own.
			if r := c.Verify(t.Context(), "reg.example:5000", "", alice); r.Outcome != Verified {
				t.Error(r)
			}
		}, 8},
	} {
		if step.do(); asked() != step.want {
			t.Fatalf("step %d: asked %d times, want %d:\n%s", i, asked(), step.want, strings.ReplaceAll(st.asked(), "; ", "\n"))
		}
	}
	if strings.Contains(st.asked(), "LEAK") {
		t.Error("a secret is where it must not be")
	}
}

// TestToken_shortLife: a margin of 10 s would leave nothing of 5 s.
func TestToken_shortLife(t *testing.T) {
	st, asked := cached(t, scenario{auth: gives(map[string]any{"expires_in": 4})})
	for _, want := range []int{1, 1, 2} {
		if r := st.client.Verify(t.Context(), "reg.example", "", alice); r.Outcome != Verified || asked() != want {
			t.Errorf("%v, asked %d times, want %d", r, asked(), want)
		}
		st.mu.Lock()
		st.clock = st.clock.Add(time.Second)
		st.mu.Unlock()
	}
}

// TestToken_revoked: the registry refuses an earlier token, not the login.
func TestToken_revoked(t *testing.T) {
	refuseOnce := func(st *stage, w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" && strings.Count(st.asked(), "reg GET /v2/ bearer") == 2 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		asksBearer(nil)(st, w, r)
	}
	st, asked := cached(t, scenario{reg: refuseOnce, auth: gives(nil)})
	for range 2 {
		if r := st.client.Verify(t.Context(), "reg.example", "", alice); r.Outcome != Verified {
			t.Error(r)
		}
	}
	if asked() != 2 {
		t.Errorf("asked %d times:\n%s", asked(), st.asked())
	}
}

// TestToken_inParallel: who comes while a token is being asked for waits for it, and gets
// a refusal as well, so that a wrong password is tried once and not until a lock-out.
func TestToken_inParallel(t *testing.T) {
	const callers = 8
	for cred, want := range map[Credential]Outcome{alice: Verified, wrong: Rejected} {
		var gate sync.WaitGroup
		gate.Add(callers)
		late := func(st *stage, w http.ResponseWriter, r *http.Request) {
			gate.Wait()
			// All have their challenge; they reach the cache within moments.
			time.Sleep(100 * time.Millisecond)
			gives(nil)(st, w, r)
		}
		reg := func(st *stage, w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				gate.Done()
			}
			asksBearer(nil)(st, w, r)
		}
		st, asked := cached(t, scenario{reg: reg, auth: late})
		var group sync.WaitGroup
		for range callers {
			group.Go(func() {
				if r := st.client.Verify(t.Context(), "reg.example", "", cred); r.Outcome != want {
					t.Error(r)
				}
			})
		}
		group.Wait()
		if asked() != 1 {
			t.Errorf("%s: asked %d times", want, asked())
		}
	}
}

// TestToken_waitEnds: one caller's Ctrl-C neither holds nor fails another's login.
func TestToken_waitEnds(t *testing.T) {
	begun := make(chan struct{}, 2)
	st, asked := cached(t, scenario{auth: firstSays(1, func(_ *stage, _ http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		<-r.Context().Done()
	}, gives(nil))})
	results := make(chan Result, 2)
	login := func(ctx context.Context) { results <- st.client.Verify(ctx, "reg.example", "", alice) }

	leader, stopLeader := withCancel(t)
	go login(leader)
	<-begun
	waiter, stopWaiter := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stopWaiter()
	go login(waiter)
	if r := <-results; r.Outcome != Unreachable {
		t.Errorf("the waiter: %v", r)
	}
	go login(t.Context())
	time.AfterFunc(50*time.Millisecond, stopLeader)
	got := []Outcome{(<-results).Outcome, (<-results).Outcome}
	slices.Sort(got)
	if got[0] != Unreachable || got[1] != Verified || asked() != 2 {
		t.Errorf("%v after asking %d times", got, asked())
	}
}

// FuzzTokenAnswer: whatever a token server says ends in a token that fits a header, or
// in a failure that fits a terminal.
func FuzzTokenAnswer(f *testing.F) {
	for _, body := range []string{
		`{"token":"a.b.c","expires_in":300,"issued_at":"2026-01-01T00:00:00Z"}`, `{"access_token":"x","refresh_token":"y"}`,
		`{"error":"invalid_grant","error_description":"no\u001b[31m"}`, `{"errors":[{"code":"DENIED","message":"\u202e"}]}`,
		`{"details":"s3cret-canary-password"}`, `{"expires_in":-1e308,"token":1}`, `[[[[`, `<html>`, "\xff\x00",
	} {
		for _, status := range []int{200, 400, 401, 403, 429, 500} {
			f.Add(status, "application/json", "3", []byte(body))
		}
		f.Add(400, "text/plain", "soon", []byte(body))
	}
	f.Fuzz(func(t *testing.T, status int, kind, after string, body []byte) {
		c := client(t, Options{})
		s := &session{c: c, base: &url.URL{Scheme: "https", Host: "reg.example"}, secrets: &redactor{}}
		s.secrets.learn(alice.Secret)
		server := &tokenServer{s: s, who: "the token server auth.example", realm: &url.URL{Scheme: "https", Host: "auth.example"}, cred: alice}
		g, fail := server.read(&answer{
			status: status, body: body[:min(len(body), maxBody)], cut: len(body) > maxBody,
			header: http.Header{"Content-Type": {kind}, "Retry-After": {after}},
		})
		if fail == nil {
			if status != http.StatusOK || g.access == "" || strings.ContainsFunc(g.access, func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Errorf("status %d gave the token %q", status, g.access)
			}
			if g.expires < time.Second || g.expires > maxLife {
				t.Errorf("it lives for %s", g.expires)
			}
			return
		}
		if fail.outcome == "" || fail.outcome == Verified || fail.outcome == Unverified {
			t.Errorf("the outcome of a failure is %q", fail.outcome)
		}
		for _, text := range []string{fail.message, fail.detail} {
			if text != printable.Line(text, 400) || strings.Contains(text, alice.Secret) {
				t.Errorf("not fit to print: %q", text)
			}
		}
	})
}
