//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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
	copyTree(t, b.dir, dir)
	forgetKey(b.kid)
	return dir
}

// copyTree copies a directory. Those that are new to the program are synced, too, so their
// age does not go along.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if out, err := testenv.Command(testenv.Environ(from), "cp", "-r", "--preserve=mode,ownership,links", from, to).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
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

// logins lists a store.
func logins(dir string) (map[string]string, error) {
	return (&worker{dir: dir, mode: fresh}).list()
}

// opens fails unless the logins open, and no others are there. A store that has slots is
// locked before, and opened by what the user holds.
func (b *base) opens(dir string, want map[string]string) error {
	s, err := openStore(dir)
	if err != nil {
		return err
	}
	c, err := s.Custody()
	if err != nil {
		return err
	}
	if c.Source.Source == store.SourceSlots {
		way := []string{"--identity", b.identity}
		if b.slow {
			way = []string{"--passphrase-file", b.passphrase}
		}
		for _, args := range [][]string{{"lock"}, append([]string{"unlock"}, way...)} {
			if out, err := regshapeCommand(dir, append([]string{"auth"}, args...)...).CombinedOutput(); err != nil {
				return harmed(lost, "%s: %w: %s", args[0], err, out)
			}
		}
	}
	for key, value := range want {
		got, err := (&worker{dir: dir, mode: fresh}).get(key)
		if err := judge(key, got, err, value); err != nil {
			return err
		}
	}
	return listsExactly(dir, want)
}

// listsExactly fails unless these logins are in a store, and no others.
func listsExactly(dir string, want map[string]string) error {
	found, err := logins(dir)
	if err != nil {
		return harmed(torn, "list: %w", err)
	}
	for key, value := range want {
		if err := judge(key+" in the list", found[key], nil, value); err != nil {
			return err
		}
	}
	if len(found) != len(want) {
		return harmed(wrong, "the list has %v", found)
	}
	return nil
}

// judge compares what was got for an address with the values that it may have, "" for none.
func judge(key, got string, err error, allowed ...string) error {
	switch {
	case err != nil:
		return harmed(torn, "%s: %w", key, err)
	case slices.Contains(allowed, got):
		return nil
	case got == "":
		return harmed(lost, "%s: nothing is found; want %q", key, allowed)
	}
	return harmed(wrong, "%s: got %q; want %q", key, got, allowed)
}

// leftovers lists the files that a settled store should not have. harmless is what opens
// nothing and hides nothing. A clear key in a store that is protected is the worst of them.
func (b *base) leftovers(t *testing.T, dir string, resumed bool) (bad, harmless []string) {
	t.Helper()
	s, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Custody()
	if err != nil {
		t.Fatal(err)
	}
	slots := ""
	if c.Source.Source == store.SourceSlots {
		slots = strings.TrimPrefix(s.Location().SlotsDir(c.Source.Recipient), dir+"/")
	}
	for _, file := range tree(t, dir) {
		data, _ := os.ReadFile(filepath.Join(dir, file))
		key, err := store.ParseKeyLine(string(data))
		switch isKey := err == nil; {
		case isKey && file == "key" && c.Source.Source == store.SourceFile, file == "names", file == "config":
		case isKey && file == "key.next-"+c.KID && c.Source.Source == store.SourceFile && !there(filepath.Join(dir, "key")):
			harmless = append(harmless, file) // it is found there, too
		case isKey && isTemporary(file) && c.Source.Source == store.SourceFile:
			harmless = append(harmless, file)
		case isKey && isTemporary(file) && key.KID() != c.KID && key.KID() != b.kid:
			harmless = append(harmless, file) // a new key that has sealed nothing
		case isKey:
			bad = append(bad, file+" (a clear key)")
		case strings.HasPrefix(file, "v1/g-"+c.KID+"/") && (!strings.Contains(file, ".rekey") || strings.HasSuffix(file, "/.rekey/")):
		case slots != "" && (strings.HasPrefix(file, slots+"/") || file == "v1/key-"+c.KID+".age"):
		case isTemporary(file), strings.HasPrefix(file, "v1/slots/"): // doctor names the first when it is old
			harmless = append(harmless, file)
		case strings.HasPrefix(file, "v1/.retired-") && !resumed: // the next rotation removes it
			harmless = append(harmless, file)
		default:
			bad = append(bad, file)
		}
	}
	return bad, harmless
}
