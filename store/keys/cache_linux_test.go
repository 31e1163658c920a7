package keys

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"regshape/store"
)

// testIdentity has the form of an age identity and opens nothing.
const testIdentity = "AGE-SECRET-KEY-1TESTTESTTESTTESTTESTTESTTESTTESTTESTTESTTESTTESTTEST"

func testUnlocked(d time.Duration) unlocked {
	return unlocked{Key: store.NewRootKey(), Identity: testIdentity, Until: time.Now().Add(d)}
}

// forgetAtEnd leaves nothing in the keyring of whoever runs the tests.
func forgetAtEnd(t *testing.T, c cache, kid string) {
	t.Cleanup(func() {
		if err := c.forget(kid); err != nil {
			t.Errorf("forget: %v", err)
		}
	})
}

func TestKernelCache(t *testing.T) {
	t.Parallel()
	testCache(t, systemCache())
}

// testCache is what every cache must do.
func testCache(t *testing.T, c cache) {
	u := testUnlocked(time.Hour)
	kid := u.Key.KID()
	forgetAtEnd(t, c, kid)
	if err := c.forget(kid); err != nil {
		t.Errorf("forget of nothing: %v", err)
	}
	for _, until := range []time.Time{{}, time.Now().Add(-time.Second)} {
		if err := c.keep(unlocked{Key: u.Key, Until: until}); err == nil {
			t.Errorf("it keeps until %v", until)
		}
	}
	if err := c.keep(unlocked{Key: u.Key, Identity: "AGE-SECRET-KEY-1\nX", Until: u.Until}); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("keep of a malformed identity: %v", err)
	}
	if _, err := c.load(kid); !errors.Is(err, errNotCached) {
		t.Errorf("load of nothing: %v", err)
	}
	for _, want := range []unlocked{u, {Key: u.Key, Until: u.Until.Add(time.Hour)}, u} {
		if err := c.keep(want); err != nil {
			t.Fatal(err)
		}
		got, err := c.load(kid)
		if err != nil {
			t.Fatal(err)
		}
		if late := got.Until.Sub(want.Until); !got.Key.Equal(want.Key) || got.Identity != want.Identity || late < 0 || late > time.Second {
			t.Errorf("load after keep: same key %v, same identity %v, %v late", got.Key.Equal(want.Key), got.Identity == want.Identity, late)
		}
	}
	if err := c.forget(kid); err != nil {
		t.Fatal(err)
	}
	if _, err := c.load(kid); !errors.Is(err, errNotCached) {
		t.Errorf("load after forget: %v", err)
	}

	u.Until = time.Now().Add(300 * time.Millisecond)
	if err := c.keep(u); err != nil {
		t.Fatal(err)
	}
	if _, err := c.load(kid); err != nil {
		t.Errorf("load before the time is over: %v", err)
	}
	for over := time.Now().Add(3 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := c.load(kid); errors.Is(err, errNotCached) {
			break
		} else if err != nil || time.Now().After(over) {
			t.Fatalf("load after the time is over: %v", err)
		}
	}

	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			u := testUnlocked(time.Minute)
			if err := c.keep(u); err != nil {
				t.Errorf("keep beside others: %v", err)
			}
			if got, err := c.load(u.Key.KID()); err != nil || !got.Key.Equal(u.Key) {
				t.Errorf("load beside others: %v", err)
			}
			if err := c.forget(u.Key.KID()); err != nil {
				t.Errorf("forget beside others: %v", err)
			}
		})
	}
	wg.Wait()
}

func TestUnlockedText(t *testing.T) {
	u := testUnlocked(time.Hour)
	text, err := u.marshal()
	if err != nil || len(text) > 512 {
		t.Fatalf("%d bytes, %v", len(text), err)
	}
	if s := fmt.Sprintf("%v %+v %#v %s", u, u, u, u); strings.Contains(s, "AGE") || strings.Contains(s, "REGSHAPE") {
		t.Error("it prints itself")
	}
	lines := strings.Split(text, "\n")
	for name, bad := range map[string]string{
		"nothing":        "",
		"a line":         lines[0] + "\n",
		"a line more":    text + "\n",
		"another key":    strings.Replace(text, lines[0], store.NewRootKey().Line(), 1),
		"no key":         strings.Replace(text, "REGSHAPE", "regshape", 1),
		"no identity":    strings.Replace(text, "AGE-", "age-", 1),
		"no time":        lines[0] + "\n" + lines[1] + "\nsoon\n",
		"a time too big": lines[0] + "\n" + lines[1] + "\n99999999999999999999\n",
		"a time over":    lines[0] + "\n" + lines[1] + "\n" + strconv.FormatInt(time.Now().Unix(), 10) + "\n",
	} {
		_, err := parseUnlocked(bad, u.Key.KID())
		if !errors.Is(err, errNotCached) || strings.Contains(err.Error(), strings.Fields(lines[0])[2]) || strings.Contains(err.Error(), "AGE-") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A key of the right name that was not made here is no key, and is cleared away.
func TestKernelCache_damaged(t *testing.T) {
	c := systemCache()
	kid := store.NewRootKey().KID()
	forgetAtEnd(t, c, kid)
	for _, payload := range []string{"x", strings.Repeat("x", 20000)} {
		if _, err := unix.AddKey("user", description(kid), []byte(payload), unix.KEY_SPEC_USER_KEYRING); err != nil {
			t.Fatal(err)
		}
		if _, err := c.load(kid); !errors.Is(err, errNotCached) {
			t.Errorf("load of %d bytes: %v", len(payload), err)
		}
		if _, err := findCached(kid); !errors.Is(err, errNotCached) {
			t.Errorf("%d bytes are still there: %v", len(payload), err)
		}
	}
}

// The key must be found in a session that was never handed the user's keyring, and ended
// from there.
func TestKernelCache_freshSession(t *testing.T) {
	requirePrograms(t, "keyctl")
	c := systemCache()
	u := testUnlocked(time.Hour)
	forgetAtEnd(t, c, u.Key.KID())
	if err := c.keep(u); err != nil {
		t.Fatal(err)
	}
	cmd := childCommand(t, "cache-session", "keyctl", "session", "-")
	cmd.Env = append(cmd.Env, "KID="+u.Key.KID())
	runChild(t, cmd)
	got, err := c.load(u.Key.KID())
	if err != nil || got.Identity != "" || time.Until(got.Until) < 90*time.Minute {
		t.Errorf("what the other session has kept: until %v, %v", got.Until, err)
	}
	cmd = childCommand(t, "cache-session-forget", "keyctl", "session", "-")
	cmd.Env = append(cmd.Env, "KID="+u.Key.KID())
	runChild(t, cmd)
	if _, err := c.load(u.Key.KID()); !errors.Is(err, errNotCached) {
		t.Errorf("after another session's forget: %v", err)
	}
}

func cacheSessionChild() {
	u, err := systemCache().load(os.Getenv("KID"))
	childMust(err == nil && u.Identity == testIdentity, "load: %v", err)
	u.Identity, u.Until = "", u.Until.Add(time.Hour)
	err = systemCache().keep(u)
	childMust(err == nil, "keep: %v", err)
}

func cacheSessionForgetChild() {
	err := systemCache().forget(os.Getenv("KID"))
	childMust(err == nil, "forget: %v", err)
	_, err = systemCache().load(os.Getenv("KID"))
	childMust(errors.Is(err, errNotCached), "load: %v", err)
}

// These are nobody's: uids with a kernel keyring and a quota of their own.
const (
	otherUser = 64321
	quotaUser = 64322
)

// asOtherUser has a child run under that uid. /proc/self/exe is the test binary even where
// its directory is closed to others.
func asOtherUser(t *testing.T, cmd *exec.Cmd, uid uint32) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can start a process of another user")
	}
	cmd.Path = "/proc/self/exe"
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
}

func TestKernelCache_otherUser(t *testing.T) {
	c := systemCache()
	u := testUnlocked(time.Hour)
	forgetAtEnd(t, c, u.Key.KID())
	if err := c.keep(u); err != nil {
		t.Fatal(err)
	}
	id, err := findCached(u.Key.KID())
	if err != nil {
		t.Fatal(err)
	}
	cmd := childCommand(t, "cache-user")
	asOtherUser(t, cmd, otherUser)
	cmd.Env = append(cmd.Env, "KID="+u.Key.KID(), "ID="+strconv.Itoa(id))
	runChild(t, cmd)
	if _, err := c.load(u.Key.KID()); err != nil {
		t.Errorf("load after the other user's forget: %v", err)
	}
}

func cacheUserChild() {
	c, kid := systemCache(), os.Getenv("KID")
	_, err := c.load(kid)
	childMust(errors.Is(err, errNotCached), "load of root's key: %v", err)
	id, err := strconv.Atoi(os.Getenv("ID"))
	childMust(err == nil, "%v", err)
	_, err = unix.KeyctlBuffer(unix.KEYCTL_READ, id, make([]byte, maxCached), 0)
	childMust(errors.Is(err, unix.EACCES), "read of root's key by its number: %v", err)
	err = c.forget(kid)
	childMust(err == nil, "forget of root's key: %v", err)

	u := testUnlocked(time.Minute)
	err = c.keep(u)
	childMust(err == nil, "keep: %v", err)
	got, err := c.load(u.Key.KID())
	childMust(err == nil && got.Key.Equal(u.Key), "load: %v", err)
	err = c.forget(u.Key.KID())
	childMust(err == nil, "forget: %v", err)
}

// With the quota used up nothing more can be unlocked, but what is unlocked still works.
func TestKernelCache_quota(t *testing.T) {
	cmd := childCommand(t, "cache-quota")
	asOtherUser(t, cmd, quotaUser)
	runChild(t, cmd)
}

func cacheQuotaChild() {
	defer func() { _, _ = unix.KeyctlInt(unix.KEYCTL_CLEAR, unix.KEY_SPEC_USER_KEYRING, 0, 0, 0) }()
	c, u := systemCache(), testUnlocked(time.Minute)
	err := c.keep(u)
	childMust(err == nil, "keep: %v", err)
	for i := 0; err == nil && i < 100000; i++ {
		_, err = unix.AddKey("user", "filler:"+strconv.Itoa(i), []byte("x"), unix.KEY_SPEC_USER_KEYRING)
	}
	childMust(errors.Is(err, unix.EDQUOT), "filling the quota: %v", err)
	_, err = c.load(u.Key.KID())
	childMust(err == nil, "load: %v", err)
	err = c.keep(testUnlocked(time.Minute))
	childMust(errors.Is(err, errCacheBlocked) && strings.Contains(err.Error(), "quota"), "keep: %v", err)
	err = c.forget(u.Key.KID())
	childMust(err == nil, "forget: %v", err)
}

func TestKernelCache_blocked(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EPERM, unix.ENOSYS} {
		cmd := childCommand(t, "cache-blocked")
		cmd.Env = append(cmd.Env, "ERRNO="+strconv.Itoa(int(errno)))
		text := runChild(t, cmd)
		for _, want := range []string{"not available", "seccomp", errno.Error()} {
			if !strings.Contains(text, want) {
				t.Errorf("%v: the message lacks %q: %s", errno, want, text)
			}
		}
	}
}

// cacheBlockedChild forbids itself the kernel keyring, as container engines do.
func cacheBlockedChild() {
	runtime.LockOSThread()
	errno, err := strconv.Atoi(os.Getenv("ERRNO"))
	childMust(err == nil, "%v", err)
	program := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}} // the system call's number
	blocked := []uint32{unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY}
	for i, number := range blocked {
		program = append(program, unix.SockFilter{
			Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number, Jt: uint8(len(blocked) - i),
		})
	}
	program = append(program,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
	)
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	childMust(err == nil, "no_new_privs: %v", err)
	err = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&filter)), 0, 0)
	childMust(err == nil, "seccomp: %v", err)

	c, u := systemCache(), testUnlocked(time.Minute)
	_, loadErr := c.load(u.Key.KID())
	keepErr := c.keep(u)
	forgetErr := c.forget(u.Key.KID())
	for _, err := range []error{loadErr, keepErr, forgetErr} {
		childMust(errors.Is(err, errCacheBlocked) && errors.Is(err, unix.Errno(errno)), "%v", err)
	}
	fmt.Println(loadErr)
}

func BenchmarkKernelCacheLoad(b *testing.B) {
	c, u := systemCache(), testUnlocked(time.Minute)
	if err := c.keep(u); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.forget(u.Key.KID()) }()
	for b.Loop() {
		if _, err := c.load(u.Key.KID()); err != nil {
			b.Fatal(err)
		}
	}
}
