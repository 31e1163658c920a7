package login

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"regshape/login/account"
	"regshape/login/app"
	"regshape/store"
	"regshape/store/keys"
)

const statusSecret = "canary-of-the-status-tests"

// statusHome is a store with logins, and nothing else that could answer.
type statusHome struct {
	t   *testing.T
	dir string
}

func newStatusHome(t *testing.T) *statusHome {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	return &statusHome{t, t.TempDir()}
}

func (h *statusHome) store() *store.Store {
	h.t.Helper()
	loc, err := store.Locate(store.Options{Dir: h.dir})
	if err != nil {
		h.t.Fatal(err)
	}
	s, err := store.Open(loc, keys.Sources{})
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h *statusHome) put(credentials ...store.Credential) {
	h.t.Helper()
	s := h.store()
	for _, c := range credentials {
		if c.Secret == "" {
			c.Username, c.Secret = "alice", statusSecret
		}
		if c.Kind == "" {
			c.Kind = store.KindPassword
		}
		if err := s.Put(h.t.Context(), c); err != nil {
			h.t.Fatal(err)
		}
	}
}

// run gives the rows of status --json and the exit code; no output may hold the secret.
func (h *statusHome) run(ctx context.Context, args ...string) (rows []account.Checked, code int) {
	h.t.Helper()
	var out, errOut bytes.Buffer
	code = Run(ctx, app.Call{
		Args: append([]string{"auth", "status", "--json", "--store", h.dir}, args...),
		Out:  &out, Err: &errOut, Getenv: os.Getenv, Build: app.Build{Version: "dev"},
	})
	if strings.Contains(out.String()+errOut.String(), statusSecret) {
		h.t.Error("the output holds the secret")
	}
	if err := json.Unmarshal(out.Bytes(), &rows); err != nil && code != app.ExitInterrupted {
		h.t.Fatalf("exit code %d, %v:\n%s%s", code, err, out.String(), errOut.String())
	}
	return rows, code
}

// statusSite is a registry that answers /v2/ with a status, after a while.
func statusSite(t *testing.T, wait time.Duration, answer func(w http.ResponseWriter, r *http.Request)) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
			return
		}
		if _, _, ok := r.BasicAuth(); !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func statusAnswer(status int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "86400") // longer than anybody waits
		w.WriteHeader(status)
	}
}
