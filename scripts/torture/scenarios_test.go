//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"regshape/scripts/testenv"
	"regshape/store"
)

const (
	keyTag     = "REGSHAPE-KEY-1 "
	passphrase = "torture with a long passphrase"
)

// scenario is a change of the key, and the store that it is made to.
type scenario struct {
	name     string
	title    string // in the table
	slots    bool   // the store is protected by an age recipient
	unlocked bool   // and unlocked
	loses    bool   // and its key is lost then
	command  func(b *base) []string
	turnsTo  string
	rotates  bool
	slow     bool // scrypt takes a second
}

var scenarios = []scenario{
	{
		name: "rotate", title: "`key rotate`", turnsTo: store.SourceFile, rotates: true,
		command: func(*base) []string { return []string{"auth", "key", "rotate"} },
	},
	{
		name: "rotate-slots", title: "`key rotate` of a protected store", slots: true, unlocked: true, turnsTo: store.SourceSlots, rotates: true,
		command: func(*base) []string { return []string{"auth", "key", "rotate"} },
	},
	{
		name: "protect-recipient", title: "`key protect --recipient`", turnsTo: store.SourceSlots, rotates: true,
		command: func(b *base) []string {
			return []string{"auth", "key", "protect", "--recipient", b.recipient, "--identity", b.identity}
		},
	},
	{
		name: "protect-no-rotate", title: "`key protect --no-rotate`", turnsTo: store.SourceSlots,
		command: func(b *base) []string {
			return []string{"auth", "key", "protect", "--recipient", b.recipient, "--identity", b.identity, "--no-rotate"}
		},
	},
	{
		name: "protect-passphrase", title: "`key protect`, passphrase", turnsTo: store.SourceSlots, rotates: true, slow: true,
		command: func(b *base) []string {
			return []string{"auth", "key", "protect", "--passphrase-file", b.passphrase}
		},
	},
	{
		name: "unprotect", title: "`key unprotect`", slots: true, turnsTo: store.SourceFile, rotates: true,
		command: func(b *base) []string { return []string{"auth", "key", "unprotect", "--identity", b.identity} },
	},
	{
		name: "unprotect-no-rotate", title: "`key unprotect --no-rotate`", slots: true, turnsTo: store.SourceFile,
		command: func(b *base) []string {
			return []string{"auth", "key", "unprotect", "--identity", b.identity, "--no-rotate"}
		},
	},
	{
		name: "restore", title: "`key restore`", loses: true, turnsTo: store.SourceFile,
		command: func(b *base) []string { return []string{"auth", "key", "restore", b.backup, "--identity", b.identity} },
	},
	{
		name: "restore-slots", title: "`key restore` of a protected store", slots: true, loses: true, turnsTo: store.SourceFile,
		command: func(b *base) []string { return []string{"auth", "key", "restore", b.backup, "--identity", b.identity} },
	},
}

// step is how many calls one goes on by: every call that changes something, and of those
// that only look every fourth, since each is like its neighbours; see [failing.likeAnother].
// Where a try takes seconds, most are left out: they are those of protect-recipient.
func (s scenario) step(f failing) int {
	switch {
	case everyCall():
		return 1
	case s.slow && f.action == kill:
		return 8
	case s.slow:
		return 40
	case f.onlyLooks() && f.likeAnother():
		return 24
	case f.likeAnother():
		return 6
	case f.onlyLooks():
		return 6
	}
	return 1
}

// base is a prepared store, to be copied for each try.
type base struct {
	scenario
	dir, work, kid                          string
	identity, recipient, passphrase, backup string
	logins                                  map[string]string
	copies, warned, needed                  int
	tally                                   *tally
}

func prepare(t *testing.T, s scenario) *base {
	t.Helper()
	work := t.TempDir()
	b := &base{scenario: s, work: work, dir: filepath.Join(work, "base"), logins: map[string]string{}}
	b.identity, b.passphrase, b.backup = filepath.Join(work, "identity"), filepath.Join(work, "passphrase"), filepath.Join(work, "backup")
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	b.recipient = id.Recipient().String()
	for path, text := range map[string]string{b.identity: id.String(), b.passphrase: passphrase} {
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"a.example", "b.example", "c.example/team"} {
		b.logins[key] = value(key, "1")
		if out, err := runHelper(b.dir, "store", storeInput(key, b.logins[key])); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if b.slots {
		b.mustRun(t, b.dir, "auth", "key", "protect", "--recipient", b.recipient, "--identity", b.identity)
	}
	st, err := openStore(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := st.Custody()
	if err != nil {
		t.Fatal(err)
	}
	b.kid = c.KID
	if b.loses {
		if err := os.WriteFile(b.backup, []byte(b.mustRun(t, b.dir, "auth", "key", "backup", "--recipient", b.recipient)), 0o600); err != nil {
			t.Fatal(err)
		}
		lost := filepath.Join(b.dir, "key")
		if b.slots {
			lost = filepath.Join(b.dir, "v1", "slots")
		}
		if err := os.RemoveAll(lost); err != nil {
			t.Fatal(err)
		}
	}
	forgetKey(b.kid)
	return b
}

// mustRun returns what a command of regshape prints.
func (b *base) mustRun(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := regshapeCommand(dir, args...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("regshape %v: %v: %s", args, err, said.String())
	}
	return string(out)
}

// copy makes a store for one try. Nobody has unlocked it.
func (b *base) copy(t *testing.T) string {
	t.Helper()
	b.copies++
	dir := filepath.Join(b.work, fmt.Sprintf("store%d", b.copies))
	// Folders that are new to the program are synced, too, so their age does not go along.
	if out, err := testenv.Command(testenv.Environ(b.work), "cp", "-r", "--preserve=mode,ownership,links", b.dir, dir).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	forgetKey(b.kid)
	return dir
}

// kidPattern finds kids in the names of files.
var kidPattern = regexp.MustCompile(`\b[0-9a-f]{16}\b`)

// forget takes the keys of a try out of the kernel's keyring.
func (b *base) forget(t *testing.T, dir string, o outcome) {
	t.Helper()
	for _, c := range o.Calls {
		for _, kid := range kidPattern.FindAllString(c.Path, -1) {
			forgetKey(kid)
		}
	}
	for _, file := range tree(t, dir) {
		for _, kid := range kidPattern.FindAllString(file, -1) {
			forgetKey(kid)
		}
	}
}

func forgetKey(kid string) {
	if id, err := unix.KeyctlSearch(unix.KEY_SPEC_USER_KEYRING, "user", "regshape:"+kid, 0); err == nil {
		_, _ = unix.KeyctlInt(unix.KEYCTL_INVALIDATE, id, 0, 0, 0)
	}
}
