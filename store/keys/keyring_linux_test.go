package keys

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"regshape/store"
)

// inDesktop runs the calling test under a D-Bus session with a real GNOME Keyring in a
// home of its own, and reports whether this is that process already.
func inDesktop(t *testing.T, mark string, environment ...string) bool {
	t.Helper()
	requirePrograms(t, "dbus-run-session", "gnome-keyring-daemon")
	there := inSession(t, mark, environment, "sh", "-c",
		`printf secret | gnome-keyring-daemon --unlock --components=secrets >"$HOME/daemon.log" 2>&1 || exit; exec "$0" "$@"`)
	if there {
		waitForService(t)
	}
	return there
}

// inBareSession does the same without anything that could offer a keyring.
func inBareSession(t *testing.T, mark string) bool {
	t.Helper()
	requirePrograms(t, "dbus-run-session")
	return inSession(t, mark, nil)
}

func inSession(t *testing.T, mark string, environment []string, words ...string) bool {
	t.Helper()
	home := t.TempDir()
	// No service directories: with those of the machine the bus would start what it finds.
	config := filepath.Join(home, "bus.conf")
	text := `<busconfig><type>session</type><listen>unix:dir=` + home + `</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	environment = append(environment, "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home,
		"XDG_CACHE_HOME="+home, "XDG_STATE_HOME="+home, "XDG_RUNTIME_DIR="+home)
	words = append([]string{"dbus-run-session", "--config-file=" + config, "--"}, words...)
	if again(t, mark, environment, words...) {
		return true
	}
	noneLeft(t, home)
	return false
}

// waitForService waits for a daemon that goes into the background before it is ready.
func waitForService(t *testing.T) {
	t.Helper()
	conn := testBus(t)
	var owned bool
	for range 100 {
		if err := conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, secretsName).Store(&owned); err != nil {
			t.Fatal(err)
		}
		if owned {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	log, err := os.ReadFile(filepath.Join(os.Getenv("HOME"), "daemon.log"))
	t.Fatalf("gnome-keyring-daemon does not come up: %s (%v)", log, err)
}

// noneLeft fails if a process with this home is still running. The daemons notice the end
// of their bus by themselves, a moment later.
func noneLeft(t *testing.T, home string) {
	t.Helper()
	var left []string
	for range 100 {
		left = nil
		files, err := filepath.Glob("/proc/[0-9]*/environ")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if environ, err := os.ReadFile(f); err == nil && bytes.Contains(environ, []byte("HOME="+home+"\x00")) {
				left = append(left, f)
			}
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("still running: %v", left)
}

// quickRing is the desktop's keyring, asked again sooner for what is not there.
func quickRing() ring { return limitedRing{secretService{20 * time.Millisecond}, ringLimit} }

func TestKeyring(t *testing.T) {
	t.Parallel()
	if inDesktop(t, "keyring") {
		testKeyring(t)
	}
}

func TestKeyring_fips(t *testing.T) {
	t.Parallel()
	if inDesktop(t, "keyring-fips", "GODEBUG=fips140=only") {
		testKeyring(t)
	}
}

func testKeyring(t *testing.T) {
	testKey(t, func(*testing.T) place {
		return place{Key: Keyring{quickRing()}, byName: true}
	})
}

// The cache of macOS and Windows, over a keyring that can be had here.
func TestRingCache(t *testing.T) {
	t.Parallel()
	t.Run("keychain", func(t *testing.T) { testCache(t, ringCache{fakeKeychain(t)}) })
	if inDesktop(t, "ring-cache") {
		testCache(t, ringCache{quickRing()})
	}
}

func TestKeyring_items(t *testing.T) {
	t.Parallel()
	if !inDesktop(t, "items") {
		return
	}
	ctx := context.Background()
	k := NewKeyring()
	a, b := store.NewRootKey(), store.NewRootKey()
	if err := k.Available(ctx); err != nil {
		t.Error(err)
	}
	if err := k.Unlock(ctx); err != nil {
		t.Errorf("unlock of what is unlocked: %v", err)
	}
	if err := k.Stage(ctx, a, ""); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		value string
		want  error
	}{{b.Line(), store.ErrWrongKey}, {"secret", store.ErrKeyDamaged}, {a.Line() + "\n", nil}} {
		if err := k.ring.set(ctx, a.KID(), c.value); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Load(ctx, a.KID()); !errors.Is(err, c.want) || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("load: %v", err)
		}
	}
	bus := testBus(t)
	var items, locked []dbus.ObjectPath
	object := bus.Object(secretsName, secretsPath)
	if err := object.Call(secretsIface+"Service.SearchItems", 0, map[string]string{"service": "regshape"}).Store(&items, &locked); err != nil || len(items) != 1 {
		t.Fatalf("items %v, %v", items, err)
	}
	label, err := bus.Object(secretsName, items[0]).GetProperty(secretsIface + "Item.Label")
	if err != nil || label.Value() != "regshape store key "+a.KID() {
		t.Errorf("label %v, %v", label, err)
	}
}

// A locked keyring says so at once, and nothing is asked of the user.
func TestKeyringLocked(t *testing.T) {
	t.Parallel()
	if !inDesktop(t, "locked") {
		return
	}
	ctx := context.Background()
	k := NewKeyring()
	key := store.NewRootKey()
	if err := k.Stage(ctx, key, ""); err != nil {
		t.Fatal(err)
	}
	bus := testBus(t)
	var collection dbus.ObjectPath
	object := bus.Object(secretsName, secretsPath)
	if err := object.Call(secretsIface+"Service.ReadAlias", 0, "default").Store(&collection); err != nil {
		t.Fatal(err)
	}
	var done []dbus.ObjectPath
	var prompt dbus.ObjectPath
	if err := object.Call(secretsIface+"Service.Lock", 0, []dbus.ObjectPath{collection}).Store(&done, &prompt); err != nil || len(done) != 1 {
		t.Fatalf("lock: %v, %v", done, err)
	}

	calls := monitor(t)
	for name, f := range map[string]func() error{
		"load":      func() error { _, err := k.Load(ctx, key.KID()); return err },
		"stage":     func() error { return k.Stage(ctx, store.NewRootKey(), "") },
		"discard":   func() error { return k.Discard(ctx, key.KID()) },
		"available": func() error { return k.Available(ctx) },
	} {
		begun := time.Now()
		err := f()
		if took := time.Since(begun); !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), "the OS keyring is locked") || took > time.Second {
			t.Errorf("%s: after %v: %v", name, took, err)
		}
	}
	seen := calls()
	if !strings.Contains(seen, "ReadAlias") {
		t.Errorf("the monitor sees nothing: %s", seen)
	}
	for _, member := range []string{"Unlock", "Prompt", "CreateItem", "Delete", "GetSecret"} {
		if strings.Contains(seen, member) {
			t.Errorf("a locked keyring was asked to %s: %s", member, seen)
		}
	}

	// Here no desktop can show the dialog.
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	begun := time.Now()
	err := k.Unlock(short)
	t.Logf("unlock without a desktop: after %v: %v", time.Since(begun), err)
	if err == nil || time.Since(begun) > 4*time.Second {
		t.Errorf("unlock without a desktop: after %v: %v", time.Since(begun), err)
	}
}

func TestKeyring_noService(t *testing.T) {
	t.Parallel()
	if !inBareSession(t, "no-service") {
		return
	}
	_, err := NewKeyring().Load(context.Background(), store.NewRootKey().KID())
	if err == nil || errors.Is(err, store.ErrLocked) || errors.Is(err, store.ErrNoKey) || !strings.Contains(err.Error(), "gnome-keyring, KWallet or KeePassXC") {
		t.Error(err)
	}
	if err := NewKeyring().Unlock(context.Background()); err == nil || !strings.Contains(err.Error(), "gnome-keyring") {
		t.Errorf("unlock: %v", err)
	}
}

func TestKeyring_noBus(t *testing.T) {
	dir := t.TempDir()
	// Were dbus-launch run, it would leave a mark.
	if err := os.WriteFile(filepath.Join(dir, "dbus-launch"), []byte("#!/bin/sh\n>"+dir+"/launched\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	kid := store.NewRootKey().KID()
	for _, address := range []string{"", "autolaunch:"} {
		t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
		_, err := NewKeyring().Load(context.Background(), kid)
		if !errors.Is(err, store.ErrLocked) || !errors.Is(err, ErrNoKeyring) || !strings.Contains(err.Error(), "no D-Bus session") {
			t.Errorf("address %q: %v", address, err)
		}
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+dir+"/gone")
	if _, err := NewKeyring().Load(context.Background(), kid); !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("a bus that is gone: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "launched")); err == nil {
		t.Error("a bus was started")
	}
}

// Over a network nobody is even asked: the key would cross it in clear.
func TestKeyring_networkBus(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan struct{}, 10)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			asked <- struct{}{}
			_ = conn.Close()
		}
	}()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	tcp := "tcp:host=127.0.0.1,port=" + port
	for address, want := range map[string]string{
		tcp:                         "over a Unix socket only",
		"nonce-" + tcp:              "over a Unix socket only",
		"unixexec:path=/bin/true":   "over a Unix socket only",
		"x":                         "over a Unix socket only",
		"unix:path=/gone;" + tcp:    "cannot be reached",
		tcp + ";unix:path=/gone":    "cannot be reached",
		tcp + ";;unix:path=/gone;x": "cannot be reached",
	} {
		t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
		for what, err := range map[string]error{
			"stage":  NewKeyring().Stage(t.Context(), store.NewRootKey(), ""),
			"unlock": NewKeyring().Unlock(t.Context()),
		} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %s: %v", address, what, err)
			}
		}
	}
	if len(asked) > 0 {
		t.Error("a bus on the network was asked")
	}
}

// A daemon that owns the name and answers nothing.
func TestKeyring_hangs(t *testing.T) {
	t.Parallel()
	if !inBareSession(t, "hangs") {
		return
	}
	conn := testBus(t)
	own(t, conn)
	conn.Eavesdrop(make(chan *dbus.Message, 1)) // what is eavesdropped on is not answered
	if limit := NewKeyring().ring.(limitedRing).limit; limit != 3*time.Second {
		t.Errorf("the keyring has %v to answer, want 3 s", limit)
	}
	hangs := limitedRing{systemRing(), 300 * time.Millisecond}
	for name, f := range map[string]func() error{
		"load": func() error {
			_, err := Keyring{hangs}.Load(context.Background(), store.NewRootKey().KID())
			return err
		},
		"cache": func() error { return ringCache{hangs}.keep(testUnlocked(time.Hour)) },
	} {
		begun := time.Now()
		err := f()
		if took := time.Since(begun); !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), "did not answer within 0.3 s") || took > 2*time.Second {
			t.Errorf("%s: after %v: %v", name, took, err)
		}
	}
	short, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if err := NewKeyring().Unlock(short); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > 2*time.Second {
		t.Errorf("unlock: after %v: %v", time.Since(begun), err)
	}
}

// The dialog is the desktop's; here a small service stands for desktop and user, since no
// machine without a screen has either.
func TestKeyring_unlock(t *testing.T) {
	t.Parallel()
	if !inBareSession(t, "unlock") {
		return
	}
	d := &fakeDesktop{conn: testBus(t), locked: true}
	for path, iface := range map[dbus.ObjectPath]string{
		secretsPath: "Service", "/prompt": "Prompt", "/collection": "Collection",
	} {
		if err := d.conn.Export(d, path, secretsIface+iface); err != nil {
			t.Fatal(err)
		}
		if err := d.conn.Export(d, path, "org.freedesktop.DBus.Properties"); err != nil {
			t.Fatal(err)
		}
	}
	own(t, d.conn)
	ctx := context.Background()
	k := NewKeyring()
	if err := k.Unlock(ctx); !errors.Is(err, store.ErrLocked) {
		t.Errorf("a dialog that the user dismisses: %v", err)
	}
	d.set(true, false)
	if err := k.Unlock(ctx); err != nil {
		t.Errorf("a dialog that the user answers: %v", err)
	}
	d.mu.Lock()
	d.locked = "perhaps"
	d.mu.Unlock()
	if err := k.Available(ctx); err == nil || errors.Is(err, store.ErrLocked) {
		t.Errorf("a lock that is neither open nor closed: %v", err)
	}
	d.set(false, false)
	if err := k.Available(ctx); err == nil || errors.Is(err, store.ErrLocked) {
		t.Errorf("an answer of the wrong form: %v", err)
	}
	if err := k.Stage(ctx, store.NewRootKey(), ""); !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), "wants to ask you") {
		t.Errorf("a service that asks before it keeps anything: %v", err)
	}
	if d.prompts != 2 {
		t.Errorf("%d dialogs were shown", d.prompts)
	}
}

type fakeDesktop struct {
	conn    *dbus.Conn
	mu      sync.Mutex
	answers bool // whether the user answers the dialog or dismisses it
	locked  any
	prompts int
}

func (d *fakeDesktop) set(answers bool, locked any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answers = answers
	if answers {
		locked = true
	}
	d.locked = locked
}

func (d *fakeDesktop) ReadAlias(string) (dbus.ObjectPath, *dbus.Error) { return "/collection", nil }

func (d *fakeDesktop) Get(string, string) (dbus.Variant, *dbus.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return dbus.MakeVariant(d.locked), nil
}

func (d *fakeDesktop) Unlock([]dbus.ObjectPath) ([]dbus.ObjectPath, dbus.ObjectPath, *dbus.Error) {
	return nil, "/prompt", nil
}

func (d *fakeDesktop) Prompt(string) *dbus.Error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.prompts++
	if d.answers {
		d.locked = false
	}
	if err := d.conn.Emit("/prompt", secretsIface+"Prompt.Completed", !d.answers, dbus.MakeVariant("")); err != nil {
		return dbus.MakeFailedError(err)
	}
	return nil
}

func (d *fakeDesktop) SearchItems(map[string]string) (string, *dbus.Error) { return "none", nil }

func (d *fakeDesktop) OpenSession(string, dbus.Variant) (dbus.Variant, dbus.ObjectPath, *dbus.Error) {
	return dbus.MakeVariant(""), "/session", nil
}

func (d *fakeDesktop) CreateItem(map[string]dbus.Variant, secret, bool) (dbus.ObjectPath, dbus.ObjectPath, *dbus.Error) {
	return "/", "/prompt", nil
}

func testBus(t *testing.T) *dbus.Conn {
	t.Helper()
	conn, err := dbus.Connect(os.Getenv("DBUS_SESSION_BUS_ADDRESS"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Eavesdrop(nil) // closing would also close that channel, while messages still come in
		_ = conn.Close()
	})
	return conn
}

func own(t *testing.T, conn *dbus.Conn) {
	t.Helper()
	if reply, err := conn.RequestName(secretsName, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("own the name: %v, %v", reply, err)
	}
}

// monitor listens to all that is said on the bus, and returns what has been called so far.
func monitor(t *testing.T) func() string {
	t.Helper()
	conn := testBus(t)
	if err := conn.BusObject().Call("org.freedesktop.DBus.Monitoring.BecomeMonitor", 0, []string{}, uint32(0)).Err; err != nil {
		t.Fatal(err)
	}
	messages := make(chan *dbus.Message, 1000)
	conn.Eavesdrop(messages)
	return func() string {
		time.Sleep(200 * time.Millisecond) // for what is still on its way
		var seen []string
		for {
			select {
			case m := <-messages:
				seen = append(seen, m.String())
			default:
				return strings.Join(seen, "\n")
			}
		}
	}
}
