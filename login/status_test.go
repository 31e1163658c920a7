package login

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"regshape/login/app"
	"regshape/login/lookup"
	"regshape/store"
)

// The rows come in the list's order whoever is faster, each with its own words, and the
// registry's credential goes to that registry alone.
func TestStatus_outcomes(t *testing.T) {
	h := newStatusHome(t)
	want := map[string]string{} // registry -> status
	var logins []store.Credential
	for i, c := range []struct {
		status int
		want   string
	}{{200, "verified"}, {401, "rejected"}, {403, "forbidden"}, {404, "not-a-registry"}, {429, "throttled"}, {503, "unreachable"}, {418, "protocol"}} {
		host := statusSite(t, time.Duration(7-i)*20*time.Millisecond, statusAnswer(c.status))
		logins = append(logins, store.Credential{ServerURL: host}, store.Credential{ServerURL: host + "/team"})
		want[host], want[host+"/team"] = c.want, c.want
	}
	ended := time.Now().Add(-time.Hour)
	renew := &store.Renewal{Issuer: "https://issuer.example", ClientID: "c", Token: statusSecret + "-refresh"}
	logins = append(
		logins,
		store.Credential{ServerURL: "ended.example", Expires: ended},
		store.Credential{ServerURL: "device.example", Expires: ended, Kind: store.KindDevice, Renew: renew},
		store.Credential{ServerURL: "some-key"},
		store.Credential{ServerURL: store.HubAddress + "refresh-token"},
	)
	want["ended.example"], want["device.example"] = "expired", "expired"
	want["some-key"], want[store.HubAddress+"refresh-token"] = "skipped", "skipped"
	h.put(logins...)
	rows, code := h.run(t.Context())
	if code != app.ExitFailed || len(rows) != len(want) {
		t.Fatalf("exit code %d, %d rows, want %d", code, len(rows), len(want))
	}
	var order []string
	messages := map[string]string{}
	for _, r := range rows {
		order = append(order, r.Registry)
		if r.Status != want[r.Registry] || r.Reason != r.Status || r.Username != "alice" || r.Message == "" {
			t.Errorf("%s: %+v, want %s", r.Registry, r, want[r.Registry])
		}
		if bad := !r.Good(); bad != (r.Hint != "") {
			t.Errorf("%s is %s, and its hint is %q", r.Registry, r.Status, r.Hint)
		}
		if r.Registry == "device.example" && !strings.HasSuffix(r.Hint, " auth refresh device.example") {
			t.Errorf("the hint of a device login is %q", r.Hint)
		}
		for status, message := range messages {
			if status != r.Status && message == r.Message {
				t.Errorf("%s and %s read the same: %q", status, r.Status, message)
			}
		}
		messages[r.Status] = r.Message
	}
	if !slices.IsSorted(order) {
		t.Errorf("not in the list's order: %v", order)
	}
}

// A hundred logins of registries that hang do not wait a hundred times, and each counts
// as unreachable; a slow one that answers is asked in parallel.
func TestStatus_bounded(t *testing.T) {
	h := newStatusHome(t)
	hang := statusSite(t, time.Hour, statusAnswer(200))
	slow := statusSite(t, 50*time.Millisecond, statusAnswer(200))
	for i := range 50 {
		h.put(
			store.Credential{ServerURL: fmt.Sprintf("%s/team%d", hang, i)},
			store.Credential{ServerURL: fmt.Sprintf("%s/team%d", slow, i)},
		)
	}
	begin := time.Now()
	rows, code := h.run(t.Context(), "--timeout", "1s")
	// Twice, since a login may begin to wait just before the first gives up.
	if took := time.Since(begin); code != app.ExitFailed || len(rows) != 100 || took > 15*time.Second {
		t.Fatalf("exit code %d, %d rows, after %s", code, len(rows), took)
	}
	for _, r := range rows {
		want := "verified"
		if strings.HasPrefix(r.Registry, hang) {
			want = "unreachable"
		}
		if r.Status != want {
			t.Errorf("%s: %s (%s), want %s", r.Registry, r.Status, r.Message, want)
		}
	}
}

// Ctrl-C ends at once, whatever hangs.
func TestStatus_interrupted(t *testing.T) {
	h := newStatusHome(t)
	host := statusSite(t, time.Hour, statusAnswer(200))
	for i := range 40 {
		h.put(store.Credential{ServerURL: fmt.Sprintf("%s/team%d", host, i)})
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	begin := time.Now()
	_, code := h.run(ctx)
	if took := time.Since(begin); code != app.ExitInterrupted || took > 3*time.Second {
		t.Fatalf("exit code %d after %s", code, took)
	}
}

// The account of the environment is for one registry, never for several or for all.
func TestStatus_environmentAccount(t *testing.T) {
	h := newStatusHome(t)
	var strangers atomic.Int32
	answer := func(w http.ResponseWriter, r *http.Request) {
		if user, _, _ := r.BasicAuth(); user != "alice" {
			strangers.Add(1)
		}
		w.WriteHeader(http.StatusOK)
	}
	a, b := statusSite(t, 0, answer), statusSite(t, 0, answer)
	h.put(store.Credential{ServerURL: a}, store.Credential{ServerURL: b})
	t.Setenv("REGSHAPE_USERNAME", "stranger")
	t.Setenv("REGSHAPE_PASSWORD", statusSecret)
	for _, args := range [][]string{nil, {a, b}, {a, "-r", b}} {
		if rows, code := h.run(t.Context(), args...); code != app.ExitDone || len(rows) != 2 || strangers.Load() != 0 {
			t.Errorf("status %v: exit code %d, %d rows, %d strangers", args, code, len(rows), strangers.Load())
		}
	}
	if rows, code := h.run(t.Context(), a); code != app.ExitDone || rows[0].Username != "stranger" || strangers.Load() != 1 {
		t.Errorf("status of one: exit code %d, %+v, %d strangers", code, rows, strangers.Load())
	}
}

// A check changes nothing in the store.
func TestStatus_writesNothing(t *testing.T) {
	h := newStatusHome(t)
	h.put(store.Credential{ServerURL: statusSite(t, 0, statusAnswer(200))})
	list := func() (all []string) {
		t.Helper()
		if err := filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			all = append(all, fmt.Sprint(path, info.Size(), info.ModTime().UnixNano()))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return all
	}
	old := list()
	if _, code := h.run(t.Context()); code != app.ExitDone {
		t.Fatalf("exit code %d", code)
	}
	if now := list(); len(old) == 0 || !slices.Equal(old, now) {
		t.Errorf("was %v\nis %v", old, now)
	}
}

// A secret that replaced one verified over plain http is never asked over plain http, by
// whatever command.
func TestResolve_transportOfAnotherSecret(t *testing.T) {
	h := newStatusHome(t)
	for _, old := range []store.Transport{store.TransportHTTP, store.TransportInsecure} {
		for secret, keeps := range map[string]bool{"first-secret": true, "second-secret": false} {
			address := string(old) + ".example"
			h.put(
				store.Credential{ServerURL: address, Username: "alice", Secret: "first-secret", Transport: old},
				store.Credential{ServerURL: address, Username: "alice", Secret: secret},
			)
			e := &app.Env{Clients: &app.Clients{}, Call: app.Call{Getenv: os.Getenv}, Globals: app.Globals{Store: h.dir}, Ctx: t.Context(), Now: time.Now}
			found, err := lookup.Query{E: e, Address: store.ParseAddress(address)}.Resolve(false)
			if err != nil || found.Found == nil || !found.Found.Own {
				t.Fatal(found, err)
			}
			o := app.ClientOptions(e, store.ParseAddress(address), &found.Found.Credential)
			if o.PlainHTTP != (keeps && old == store.TransportHTTP) || o.Insecure != (keeps && old == store.TransportInsecure) {
				t.Errorf("%s, then %s: plain http %v, insecure %v", old, secret, o.PlainHTTP, o.Insecure)
			}
		}
	}
}
