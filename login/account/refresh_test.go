package account

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"regshape/login/app"
	"regshape/scripts/testregistry"
	"regshape/store"
)

// machine is an issuer, a store with one device login of it, and an environment to run
// commands in.
type machine struct {
	t      *testing.T
	issuer *testregistry.Issuer
	url    string
	dir    string
	slow   chan struct{} // holds back the answers to refreshes while it is open; nil for not
	asked  chan struct{} // gets a value for each refresh that was held back
}

func newMachine(t *testing.T, opts testregistry.IssuerOptions) *machine {
	t.Helper()
	m := &machine{t: t, dir: t.TempDir(), asked: make(chan struct{}, 100)}
	m.issuer = testregistry.NewIssuer(opts)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.slow == nil || r.URL.Path != "/token" {
			m.issuer.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		m.issuer.ServeHTTP(answer, r) // the old token is void from here on
		m.asked <- struct{}{}
		<-m.slow
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(server.Close)
	m.url = server.URL
	// A login without the second between two polls.
	ask := func(path string, form url.Values) (answer map[string]any) {
		res, err := http.PostForm(m.url+path, form)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	code, _ := ask("/device", url.Values{"client_id": {"cli"}})["device_code"].(string)
	grant := ask("/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {code}})
	access, _ := grant["access_token"].(string)
	refresh, _ := grant["refresh_token"].(string)
	err := m.store().Put(t.Context(), store.Credential{
		ServerURL: "reg.example", Username: "alice", Secret: access, Kind: store.KindDevice, Expires: time.Now().Add(time.Hour),
		Renew: &store.Renewal{Issuer: m.url, ClientID: "cli", Token: refresh},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *machine) env(ctx context.Context) (e *app.Env, out, stderr *bytes.Buffer) {
	out, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	e = &app.Env{
		Clients: &app.Clients{},
		Call:    app.Call{Out: out, Err: stderr, Getenv: os.Getenv},
		Globals: app.Globals{Store: m.dir, Timeout: 5 * time.Second}, Ctx: ctx, Now: time.Now,
	}
	return e, out, stderr
}

func (m *machine) store() *store.Store {
	m.t.Helper()
	e, _, _ := m.env(m.t.Context())
	s, err := e.OpenStore()
	if err != nil {
		m.t.Fatal(err)
	}
	return s
}

// holds checks that what is stored works and can be renewed once more.
func (m *machine) holds() {
	m.t.Helper()
	c, err := m.store().Get(m.t.Context(), store.ParseAddress("reg.example"))
	if err != nil || !m.issuer.Accepts(c.Secret) {
		m.t.Fatalf("the stored access token is not the issuer's (%v), want one that it accepts", err)
	}
	e, _, stderr := m.env(m.t.Context())
	if err := (&Refresh{}).Run(e); err != nil {
		m.t.Errorf("the stored refresh token is lost: %v\n%s", err, stderr)
	}
}

// Ctrl-C while the issuer answers must not lose the only copy of the new token.
func TestRefresh_interrupted(t *testing.T) {
	m := newMachine(t, testregistry.IssuerOptions{Rotate: true})
	m.slow = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-m.asked
		cancel()
		time.Sleep(100 * time.Millisecond)
		close(m.slow)
	}()
	e, _, stderr := m.env(ctx)
	if code := app.Fail(e, (&Refresh{}).Run(e)); code != app.ExitInterrupted {
		t.Errorf("exit code %d, want %d:\n%s", code, app.ExitInterrupted, stderr)
	}
	m.holds()
}

// Several runs at once, with tokens that are good for one use: all end well.
func TestRefresh_severalRuns(t *testing.T) {
	m := newMachine(t, testregistry.IssuerOptions{Rotate: true})
	var all sync.WaitGroup
	failures := make([]string, 6)
	for i := range failures {
		all.Go(func() {
			e, _, stderr := m.env(t.Context())
			if err := (&Refresh{}).Run(e); err != nil {
				failures[i] = fmt.Sprintf("%v\n%s", err, stderr)
			}
		})
	}
	all.Wait()
	if text := strings.Join(failures, ""); text != "" {
		t.Error(text)
	}
	m.holds()
}

// A login that is removed while it is renewed stays removed, and its new token is revoked.
func TestRefresh_removedMeanwhile(t *testing.T) {
	m := newMachine(t, testregistry.IssuerOptions{Rotate: true})
	m.slow = make(chan struct{})
	go func() {
		<-m.asked
		_, _ = m.store().Erase(context.Background(), store.ParseAddress("reg.example"))
		close(m.slow)
	}()
	e, _, stderr := m.env(t.Context())
	if code := app.Fail(e, (&Refresh{}).Run(e)); code != app.ExitFailed || !strings.Contains(stderr.String(), "removed or replaced meanwhile") {
		t.Errorf("exit code %d, want %d and that it was removed:\n%s", code, app.ExitFailed, stderr)
	}
	if found, _, err := m.store().List(t.Context()); err != nil || len(found) > 0 || m.issuer.Live() > 0 {
		t.Errorf("the store has %v, %v, and the issuer %d live tokens; want none", found, err, m.issuer.Live())
	}
}

// Where the new token cannot be stored, the message says what that means.
func TestRefresh_storeFails(t *testing.T) {
	for _, rotate := range []bool{true, false} {
		m := newMachine(t, testregistry.IssuerOptions{Rotate: rotate})
		folders, err := filepath.Glob(filepath.Join(m.dir, "v1/g-*"))
		if err != nil || len(folders) != 1 {
			t.Fatal(folders, err)
		}
		// A newer regshape is about to rewrite the store: reading goes on, writing is refused.
		if err := os.WriteFile(filepath.Join(folders[0], ".switched"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		e, _, stderr := m.env(t.Context())
		code := app.Fail(e, (&Refresh{}).Run(e))
		if code != app.ExitFailed || !strings.Contains(stderr.String(), "could not be stored") ||
			strings.Contains(stderr.String(), "has invalidated the old one") != rotate {
			t.Errorf("rotate %v: exit code %d, want %d and what became of the old token:\n%s", rotate, code, app.ExitFailed, stderr)
		}
	}
}

// An issuer that does not answer keeps no logout beyond --timeout.
func TestLogout_silentIssuer(t *testing.T) {
	m := newMachine(t, testregistry.IssuerOptions{})
	silent := httptest.NewUnstartedServer(nil).Listener // accepts connections and never answers
	defer silent.Close()
	s := m.store()
	for _, host := range []string{"a.example", "b.example", "c.example"} {
		err := s.Put(t.Context(), store.Credential{
			ServerURL: host, Username: "alice", Secret: "x", Kind: store.KindDevice,
			Renew: &store.Renewal{Issuer: "http://" + silent.Addr().String(), ClientID: "cli", Token: "canary-refresh"},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	e, _, stderr := m.env(t.Context())
	e.Timeout = 300 * time.Millisecond
	begin := time.Now()
	if err := (&Logout{All: true}).Run(e); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("it took %v, want at most 3s", took)
	}
	if n := strings.Count(stderr.String(), "was not revoked"); n != 3 || strings.Contains(stderr.String(), "canary") {
		t.Errorf("%d warnings, want 3 and no secret:\n%s", n, stderr)
	}
	if found, _, err := s.List(t.Context()); err != nil || len(found) > 0 || m.issuer.Live() > 0 {
		t.Errorf("the store has %v, %v, and the issuer %d live tokens; want none", found, err, m.issuer.Live())
	}
}
