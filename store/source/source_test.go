package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"regshape/scripts/testenv"
	"regshape/store"
	"regshape/store/keys"
)

var (
	registry  = store.ParseAddress("r.example")
	errBroken = failed(store.Credential{Canonical: "r.example"}, "exit status 1", nil)
)

// maker stands for a program: it makes the secrets s1, s2 and so on, each of which lives for
// life, takes its time, and fails when it is told to.
type maker struct {
	mu         sync.Mutex
	starts     int
	life, time time.Duration
	fails      error
	within     time.Duration // the limit of the last start
}

func (m *maker) run(ctx context.Context, login store.Credential, within time.Duration) (answer, error) {
	m.mu.Lock()
	m.starts++
	m.within = within
	n, takes, life, err := m.starts, m.time, m.life, m.fails
	m.mu.Unlock()
	if takes > within {
		takes, err = within, failed(login, "it did not end", nil)
	}
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
	return answer{"alice", fmt.Sprint("s", n), time.Now().Add(life)}, err
}

// stage is a store with one login of a program, in a bubble of time.
type stage struct {
	*maker
	t       *testing.T
	logins  Source
	noticed []string
}

func play(t *testing.T, f func(t *testing.T, st *stage)) {
	synctest.Test(t, func(t *testing.T) {
		key := filepath.Join(testenv.Home(t), "key")
		loc, err := store.Locate(store.Options{})
		if err == nil {
			err = os.WriteFile(key, []byte(store.NewRootKey().Line()), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(loc, keys.Sources{KeyFile: key})
		if err != nil {
			t.Fatal(err)
		}
		st := &stage{maker: &maker{life: time.Hour}, t: t}
		st.logins = New(s, func(err error) { st.noticed = append(st.noticed, err.Error()) })
		st.logins.run = st.run
		st.login()
		f(t, st)
	})
}

func (st *stage) login() {
	st.t.Helper()
	err := st.logins.Put(st.t.Context(), store.Credential{ServerURL: registry.String()}.MadeBy(store.Program{Words: []string{"/bin/maker"}}))
	if err != nil {
		st.t.Fatal(err)
	}
}

// wants checks what get answers, "" for not found or an error, and how often the program was
// started until now.
func (st *stage) wants(what, secret string, starts int) {
	st.t.Helper()
	c, err := st.logins.Get(st.t.Context(), registry)
	if err != nil {
		c.Secret = ""
	}
	if c.Secret != secret || st.starts != starts {
		st.t.Errorf("%s: got %q after %d starts (%v), want %q after %d", what, c.Secret, st.starts, err, secret, starts)
	}
}

func TestGet_renews(t *testing.T) {
	play(t, func(t *testing.T, st *stage) {
		st.wants("at first", "s1", 1)
		st.wants("at once", "s1", 1)
		time.Sleep(54 * time.Minute)
		st.wants("before the last tenth, which is 5 minutes here", "s1", 1)
		time.Sleep(time.Minute)
		st.wants("in the last 5 minutes", "s2", 2)
		if st.within != earlyLimit {
			t.Errorf("with a good secret it may take %v", st.within)
		}
		time.Sleep(2 * time.Hour)
		st.wants("long after the end", "s3", 3)
		if st.within != limit {
			t.Errorf("without a secret it may take %v", st.within)
		}
		st.life = 100 * time.Second
		time.Sleep(time.Hour)
		st.wants("a short life", "s4", 4)
		time.Sleep(89 * time.Second)
		st.wants("before its last tenth", "s4", 4)
		time.Sleep(2 * time.Second)
		st.wants("in its last tenth", "s5", 5)
		if len(st.noticed) > 0 {
			t.Errorf("noticed %q", st.noticed)
		}
	})
}

func TestGet_failures(t *testing.T) {
	play(t, func(t *testing.T, st *stage) {
		st.fails = errBroken
		st.wants("a program that fails", "", 1)
		time.Sleep(59 * time.Second)
		st.wants("within a minute", "", 1)
		time.Sleep(2 * time.Second)
		st.fails = nil
		st.wants("after a minute", "s2", 2)
		time.Sleep(56 * time.Minute)
		st.fails = errBroken
		st.wants("the present one, though it fails", "s2", 3)
		st.wants("the present one, and no start", "s2", 3)
		if len(st.noticed) != 2 || !strings.Contains(st.noticed[1], "exit status 1") {
			t.Errorf("noticed %q", st.noticed)
		}
		time.Sleep(61 * time.Second)
		st.fails, st.time = nil, time.Minute
		before := time.Now()
		st.wants("the present one, though it hangs", "s2", 4)
		if took := time.Since(before); took != earlyLimit {
			t.Errorf("it took %v", took)
		}
		time.Sleep(10 * time.Minute)
		before = time.Now()
		st.wants("none, as it hangs", "", 5)
		if took := time.Since(before); took != limit {
			t.Errorf("it took %v", took)
		}
		st.time = 0
		if c, err := st.logins.Renew(t.Context(), registry); err != nil || c.Secret != "s6" {
			t.Errorf("a refresh within the minute: %q (%v)", c.Secret, err)
		}
		st.fails = errBroken
		if _, err := st.logins.Renew(t.Context(), registry); !errors.As(err, new(*ProgramError)) {
			t.Errorf("a refresh that fails: %v", err)
		}
		st.wants("after a refresh that failed", "s6", 7)
	})
}

func TestGet_miss(t *testing.T) {
	play(t, func(t *testing.T, st *stage) {
		st.fails = store.ErrNotFound
		if _, err := st.logins.Get(t.Context(), registry); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		st.fails = nil
		time.Sleep(4 * time.Minute)
		st.wants("within 5 minutes", "", 1)
		time.Sleep(2 * time.Minute)
		st.wants("after that", "s2", 2)
		if len(st.noticed) > 0 {
			t.Errorf("noticed %q", st.noticed)
		}
	})
}

// A clock that was set back before the answer was made makes nobody wait for it.
func TestGet_clockSetBack(t *testing.T) {
	play(t, func(t *testing.T, st *stage) {
		st.wants("at first", "s1", 1)
		st.logins.now = func() time.Time { return time.Now().Add(-time.Hour) }
		st.wants("an hour back", "s2", 2)
		st.logins.now = time.Now
		st.fails = errBroken
		time.Sleep(2 * time.Hour)
		st.wants("fails", "", 3)
		st.fails = nil
		st.logins.now = func() time.Time { return time.Now().Add(-time.Minute) }
		st.wants("before the failure", "s4", 4)
	})
}

// Of many at once one starts the program, and all others wait for that, also for its failure.
func TestGet_parallel(t *testing.T) {
	for name, fails := range map[string]error{"good": nil, "failing": errBroken} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, st *stage) {
				st.time, st.fails = 2*time.Second, fails
				began := time.Now()
				var all sync.WaitGroup
				for range 20 {
					all.Go(func() {
						c, err := st.logins.Get(t.Context(), registry)
						if (err != nil) != (fails != nil) || err == nil && c.Secret != "s1" {
							t.Errorf("got %q (%v)", c.Secret, err)
						}
					})
				}
				all.Wait()
				if took := time.Since(began); st.starts != 1 || took > 2500*time.Millisecond {
					t.Errorf("%d starts in %v", st.starts, took)
				}
				if left, _ := filepath.Glob(filepath.Join(st.logins.Location().State, "*renewing*")); len(left) > 0 {
					t.Errorf("left behind: %q", left)
				}
			})
		})
	}
}

// A claim that a killed process has left is taken over, and one that cannot be made is done
// without.
func TestClaim(t *testing.T) {
	play(t, func(t *testing.T, st *stage) {
		login, _, err := st.logins.Answered(t.Context(), registry)
		if err != nil {
			t.Fatal(err)
		}
		if mine, _ := st.logins.claim(login); !mine {
			t.Fatal("the first claim is not ours")
		}
		mine, release := st.logins.claim(login)
		if release(); mine {
			t.Error("two claims at once")
		}
		began := time.Now()
		st.wants("while another has the claim", "", 0)
		if took := time.Since(began); took < waitLimit || took > waitLimit+time.Second {
			t.Errorf("it waited %v", took)
		}
		if err := st.logins.Put(t.Context(), store.Credential{ServerURL: "*.example.com"}.MadeBy(store.Program{Words: []string{"/bin/maker"}})); err != nil {
			t.Fatal(err)
		}
		asked := store.ParseAddress("r.example.com")
		pattern, _, _ := st.logins.Answered(t.Context(), asked)
		_, release = st.logins.claim(pattern)
		if _, err := st.logins.Get(t.Context(), asked); !errors.Is(err, store.ErrNotFound) || len(st.noticed) != 1 {
			t.Errorf("a pattern, while another has the claim: %v, noticed %q", err, st.noticed)
		}
		release()
		t.Setenv(renewing, "1")
		began = time.Now()
		st.wants("while the program that asks has the claim", "", 0)
		if took := time.Since(began); took > 0 {
			t.Errorf("it waited %v", took)
		}
		t.Setenv(renewing, "")
		claims, _ := filepath.Glob(filepath.Join(st.logins.Location().State, "renewing-*"))
		if len(claims) != 1 {
			t.Fatalf("claims: %q", claims)
		}
		old, err := os.Lstat(claims[0])
		if err != nil {
			t.Fatal(err)
		}
		if at := old.ModTime().Add(-oldClaim); os.Chtimes(claims[0], at, at) != nil {
			t.Fatal("the claim's time cannot be set")
		}
		st.wants("an old claim", "s1", 1)
		device := store.Credential{ServerURL: "d.example", Username: "u", Secret: "a", Kind: store.KindDevice, Expires: time.Now(), Renew: &store.Renewal{Token: "r"}}
		if err := st.logins.Put(t.Context(), device); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		state := st.logins.Location().State
		if err := errors.Join(os.RemoveAll(state), os.WriteFile(state, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		st.wants("no claim can be made", "s2", 2)
		if _, err := st.logins.Get(t.Context(), device.Address()); !errors.As(err, new(*ProgramError)) || st.starts != 2 {
			t.Errorf("a device login without a claim: %v after %d starts", err, st.starts)
		}
	})
}

// What a logout, another login and another program's login mean for a renewal that runs.
func TestGet_races(t *testing.T) {
	play(t, func(t *testing.T, st *stage) {
		st.wants("at first", "s1", 1)
		st.login()
		st.wants("another login of the same program has answers of its own", "s2", 2)
		if err := st.logins.Put(t.Context(), store.Credential{ServerURL: "r.example", Username: "bob", Secret: "p"}); err != nil {
			t.Fatal(err)
		}
		st.wants("a login with a password", "p", 2)
		st.login()
		st.time = time.Second
		var done sync.WaitGroup
		done.Go(func() { st.wants("a logout while it is made", "s3", 3) })
		time.Sleep(500 * time.Millisecond)
		if _, err := st.logins.Erase(t.Context(), registry); err != nil {
			t.Error(err)
		}
		done.Wait()
		st.wants("after the logout", "", 3)
		found, damaged, err := st.logins.List(t.Context())
		if len(found)+len(damaged) > 0 || err != nil {
			t.Errorf("listed: %v %v (%v)", found, damaged, err)
		}
	})
}

func TestCurrent(t *testing.T) {
	play(t, func(t *testing.T, st *stage) {
		for _, url := range []string{"a.example", "b.example"} {
			if err := st.logins.Put(t.Context(), store.Credential{ServerURL: url, Username: "u", Secret: "p"}); err != nil {
				t.Fatal(err)
			}
		}
		names := func() (names []string) {
			found, _, err := st.logins.Current(t.Context())
			if err != nil {
				t.Error(err)
			}
			for _, c := range found {
				names = append(names, c.Username+"@"+c.ServerURL)
			}
			return names
		}
		if got := fmt.Sprint(names()); got != "[u@a.example u@b.example alice@r.example]" || st.starts != 1 {
			t.Errorf("got %s after %d starts", got, st.starts)
		}
		time.Sleep(57 * time.Minute)
		if got := fmt.Sprint(names()); got != "[u@a.example u@b.example alice@r.example]" || st.starts != 1 {
			t.Errorf("before the end: got %s after %d starts", got, st.starts)
		}
		time.Sleep(2 * time.Hour)
		st.time = time.Hour
		if got := fmt.Sprint(names()); got != "[u@a.example u@b.example]" || len(st.noticed) != 1 {
			t.Errorf("got %s, noticed %q", got, st.noticed)
		}
	})
}

func TestGet_patterns(t *testing.T) {
	play(t, func(t *testing.T, st *stage) {
		put := func(pattern string) {
			t.Helper()
			if err := st.logins.Put(t.Context(), store.Credential{ServerURL: pattern}.MadeBy(store.Program{Words: []string{"/bin/" + pattern}})); err != nil {
				t.Fatal(err)
			}
		}
		get := func(address, want string, starts int) {
			t.Helper()
			c, err := st.logins.Get(t.Context(), store.ParseAddress(address))
			if err != nil {
				c.Secret = "none"
			}
			if c.Secret != want || st.starts != starts {
				t.Errorf("%s: got %q after %d starts (%v), want %q after %d", address, c.Secret, st.starts, err, want, starts)
			}
		}
		get("a.b.example.com", "none", 0)
		put("*.*.example.com")
		get("a.b.example.com", "s1", 1)
		get("https://A.b.example.com/v2/", "s1", 1)
		get("c.b.example.com", "s2", 2)
		get("a.b.example.com/team", "none", 2)
		get("a.b.example.com.evil", "none", 2)
		put("*.b.example.com")
		get("c.b.example.com", "s3", 3)
		put("a.*.example.com")
		get("a.b.example.com", "s4", 4)
		if err := st.logins.Put(t.Context(), store.Credential{ServerURL: "a.b.example.com", Username: "u", Secret: "own"}); err != nil {
			t.Fatal(err)
		}
		get("a.b.example.com", "own", 4)
		if _, err := st.logins.Erase(t.Context(), store.ParseAddress("a.b.example.com")); err != nil {
			t.Fatal(err)
		}
		get("a.b.example.com", "s4", 4)
		if _, err := st.logins.Erase(t.Context(), store.ParseAddress("a.b.example.com")); err != nil {
			t.Fatal(err)
		}
		get("a.b.example.com", "s5", 5)
		found, _, err := st.logins.Current(t.Context())
		if len(found) != 1 || err != nil {
			t.Errorf("listed: %v (%v)", found, err)
		}

		st.fails = errBroken
		noticed := len(st.noticed)
		if _, err := st.logins.Get(t.Context(), store.ParseAddress("d.b.example.com")); !errors.Is(err, store.ErrNotFound) || len(st.noticed) != noticed+1 {
			t.Errorf("a program that never answered for it: %v, noticed %q", err, st.noticed)
		}
		time.Sleep(2 * time.Hour)
		if _, err := st.logins.Get(t.Context(), store.ParseAddress("c.b.example.com")); !errors.As(err, new(*ProgramError)) {
			t.Errorf("a program that has answered for it: %v", err)
		}
	})
}

// Whoever can ask for any name does not fill the disk.
func TestGet_manyOfPattern(t *testing.T) {
	play(t, func(t *testing.T, st *stage) {
		if err := st.logins.Put(t.Context(), store.Credential{ServerURL: "*.example.com"}.MadeBy(store.Program{Words: []string{"/bin/maker"}})); err != nil {
			t.Fatal(err)
		}
		for n := range 210 {
			time.Sleep(time.Second)
			if _, err := st.logins.Get(t.Context(), store.ParseAddress(fmt.Sprintf("h%d.example.com", n))); err != nil {
				t.Fatal(err)
			}
		}
		entries, err := filepath.Glob(filepath.Join(st.logins.Location().Data, "v1", "g-*", "*"))
		if len(entries) != 200+3 || err != nil { // the pattern, its mark, the other login
			t.Errorf("%d entries (%v)", len(entries), err)
		}
		before := st.starts
		for _, host := range []string{"h209.example.com", "h10.example.com", "h0.example.com"} {
			if _, err := st.logins.Get(t.Context(), store.ParseAddress(host)); err != nil {
				t.Error(err)
			}
		}
		if st.starts != before+1 {
			t.Errorf("%d starts for an old one and two newer ones", st.starts-before)
		}
	})
}
