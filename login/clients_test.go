package login

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"regshape/login/app"
	"regshape/scripts/testregistry"
	"regshape/store"
)

// Logins of one registry with one credential need one token in a run.
func TestStatusAsksForATokenOnce(t *testing.T) {
	h := newStatusHome(t)
	var asked atomic.Int32
	tokens, err := testregistry.NewTokenServer(testregistry.TokenOptions{
		Users:  map[string]string{"alice": statusSecret},
		Before: func(http.ResponseWriter, *http.Request) bool { asked.Add(1); return false },
	})
	if err != nil {
		t.Fatal(err)
	}
	realm := httptest.NewServer(tokens)
	defer realm.Close()
	server := httptest.NewServer(testregistry.New(testregistry.Options{Auth: testregistry.Bearer, Realm: realm.URL, Tokens: tokens}))
	defer server.Close()
	host := server.Listener.Addr().String()
	h.put(store.Credential{ServerURL: host}, store.Credential{ServerURL: host + "/team"}, store.Credential{ServerURL: host + "/other"})
	rows, code := h.run(t.Context())
	if code != app.ExitDone || len(rows) != 3 {
		t.Errorf("exit code %d, %d rows: %+v", code, len(rows), rows)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the token server was asked %d times, want once", n)
	}
}
