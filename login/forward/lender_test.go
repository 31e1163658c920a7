package forward

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"regshape/login/app"
	"regshape/scripts/testenv"
	"regshape/store"
	"regshape/store/keys"
	"regshape/store/lend"
	"regshape/store/source"
)

// output is written by several goroutines.
type output struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.out.Write(p)
}

// newLender lends what is below r.example/team of a store that has more.
func newLender(t testing.TB) *lender {
	t.Helper()
	loc, err := store.Locate(store.Options{Dir: filepath.Join(testenv.Home(t), "store")})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(loc, keys.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	for address, secret := range map[string]string{
		"r.example": "canary", "r.example/team": "for the team", "r.example/team/app": "for the app", "r.example/teams": "canary",
		"other.example": "canary", "http://r.example/team": "canary", store.HubAddress: "canary", store.HubAddress + "access-token": "canary",
	} {
		if err := s.Put(context.Background(), store.Credential{ServerURL: address, Username: "alice", Secret: secret, Kind: store.KindPassword}); err != nil {
			t.Fatal(err)
		}
	}
	e := &app.Env{Call: app.Call{Out: &output{}, Err: &output{}, Getenv: os.Getenv}, Ctx: context.Background(), Now: time.Now}
	return &lender{
		e: e, logins: source.New(s, func(err error) { t.Error(err) }), allowed: []store.Address{store.ParseAddress("r.example/team")},
		end: time.Now().Add(time.Hour), slots: make(chan struct{}, maxRequests),
	}
}

func TestLogin(t *testing.T) {
	l := newLender(t)
	const no, none = "not allowed", "none"
	got := func(asked string) string {
		c, err := l.login(t.Context(), store.ParseAddress(asked), "docker")
		switch {
		case err == nil:
			return c.Secret
		case errors.Is(err, store.ErrNotFound):
			return none
		}
		return err.Error()
	}
	check := func(want map[string]string) {
		t.Helper()
		for asked, want := range want {
			if got := got(asked); got != want {
				t.Errorf("%q: got %q, want %q", asked, got, want)
			}
		}
	}
	check(map[string]string{
		"r.example/team": "for the team", "https://R.example/team/": "for the team", "r.example/team/other": "for the team",
		"r.example/team/app": "for the app", "r.example/team/app/deep": "for the app",
		"r.example": no, "r.example/teams": no, "r.example/teams/app": no, "http://r.example/team": no, "r.example:8443/team": no,
		"other.example": no, "docker.io": no, store.HubAddress + "access-token": no, "": no,
	})
	l.allowed = []store.Address{store.ParseAddress("r.example/team/app/deep"), store.ParseAddress("none.example")}
	check(map[string]string{"r.example/team/app/deep": no, "none.example": none}) // the login is for more than what is allowed
	l.allowed, l.all = nil, true
	check(map[string]string{
		"docker.io": "canary", "http://r.example/team": "canary", "none.example": none,
		store.HubAddress + "access-token": no, store.HubAddress + "/access-token": no, store.HubAddress + "Access-Token": no,
	})
	l.end = time.Now().Add(-time.Second).Round(0)
	check(map[string]string{"docker.io": no})
}

// Whatever the far side sends ends, and gets nothing that is not lent.
func FuzzLender(f *testing.F) {
	stream := func(list ...lend.Frame) []byte {
		var out bytes.Buffer
		for _, one := range list {
			_ = lend.Write(&out, one)
		}
		return out.Bytes()
	}
	get := func(address string) lend.Frame {
		return lend.Frame{Kind: lend.Get, ID: 1, Address: address, Asker: "docker\x1b[2J"}
	}
	f.Add(stream(get("r.example/team")))
	f.Add(stream(get("r.example/team"), lend.Frame{Kind: lend.Alive}, get("r.example"), get(store.HubAddress), get("r.example/team/\n")))
	f.Add(stream(get("a"), get("b"), lend.Frame{Kind: lend.Hello}))
	f.Add(append(stream(get("r.example/team")), 0xff, 0xff, 0xff, 0xff))
	f.Add(bytes.Repeat(stream(get("r.example/team")), 100))
	l := newLender(f)
	f.Fuzz(func(t *testing.T, input []byte) {
		sent, shown, e := &output{}, &output{}, *l.e
		e.Out = shown
		near := &lender{
			e: &e, logins: l.logins, allowed: l.allowed, end: l.end, slots: make(chan struct{}, maxRequests),
			link: lend.NewLink(bytes.NewReader(input), sent),
		}
		if err := near.link.Receive(func(f lend.Frame) error { return near.take(context.Background(), f) }); err == nil {
			t.Error("it ended without an error")
		}
		for range maxRequests { // then all answers have been made
			near.slots <- struct{}{}
		}
		sent.mu.Lock()
		defer sent.mu.Unlock()
		shown.mu.Lock()
		defer shown.mu.Unlock()
		if bytes.Contains(sent.out.Bytes(), []byte("canary")) {
			t.Errorf("%q got %q", input, sent.out.Bytes())
		}
		if text := shown.out.Bytes(); bytes.ContainsAny(text, "\x1b\x00\u202e") || bytes.Contains(text, []byte("canary\"")) {
			t.Errorf("%q showed %q", input, text)
		}
	})
}
