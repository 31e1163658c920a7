package custody

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"regshape/login/app"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/keys"
	"regshape/store/printable"
)

// Show shows where the key is, and what that protects against.
type Show struct{}

// keyShow is the JSON of key show.
type keyShow struct {
	Status   string     `json:"status"`        // "success"
	Source   string     `json:"source"`        // "file", "slots", "keyring", "command" or "environment"
	KID      string     `json:"kid,omitempty"` // absent if there is no store yet
	Where    string     `json:"where"`         // a path, a command line, or words
	Slots    []slotJSON `json:"slots"`
	Locked   bool       `json:"locked"`
	Until    *time.Time `json:"until,omitempty"`   // slots that are unlocked: until when
	Protects []string   `json:"protects"`          // against what
	Not      []string   `json:"not"`               // against what not
	UnderWay bool       `json:"under_way"`         // a change of the key is in progress, or was interrupted
	Left     string     `json:"left,omitempty"`    // where the previous key still is
	Problem  string     `json:"problem,omitempty"` // why the key cannot be read, or a slot not be used
}

// slotJSON is one slot.
type slotJSON struct {
	Number int    `json:"number"`
	Type   string `json:"type"` // "passphrase", "recipient", or "plugin-" and the plugin's name
}

// Run shows where the key is and what that protects against.
func (*Show) Run(e *app.Env) error {
	k, err := Open(e, "show the key")
	if err != nil {
		return err
	}
	source := k.Effective().Source
	words := k.Protections()
	r := keyShow{
		Status: "success", Source: source, KID: k.Now.KID, Where: k.Where(),
		Slots: []slotJSON{}, Protects: words.protects, Not: words.not, Left: k.LeftKey(),
	}
	if r.UnderWay, err = k.Store.UnderWay(); err != nil {
		return k.failed(err)
	}
	lockedWhy, err := r.state(k)
	if err != nil {
		return k.failed(err)
	}
	if e.JSON {
		return app.WriteJSON(e.Out, r)
	}
	return r.write(k, words.what, lockedWhy)
}

// Manual is the text of --help and of the man page.
func (*Show) Manual() app.Manual {
	return app.Manual{Failed: "the state of the key could not be determined", Examples: [][2]string{
		{"regshape auth key show", "where the key is, and what that protects against"},
		{"regshape auth key show --json", "for scripts"},
	}}
}

// state fills in the slots and whether the store is locked, and returns why.
func (r *keyShow) state(k *Session) (why string, err error) {
	if k.Now.KID == "" {
		return "", nil
	}
	slots, hasSlots := k.slots()
	switch {
	case hasSlots:
		r.Problem = k.notStarted()
		if r.Slots, err = slotList(slots); err != nil {
			return "", err
		}
		var until time.Time
		var identity string
		if until, identity, err = slots.Unlocked(k.Now.KID); err == nil {
			r.Until = app.Stamp(until)
			if err := slots.Prove(identity); err != nil {
				r.Problem = k.E.Problem(err)
			}
		}
	case r.Source == store.SourceCommand:
		r.Problem = k.notStarted()
	case r.Source == store.SourceFile, r.Source == store.SourceEnvironment:
		if _, err := k.Store.RootKey(k.E.Ctx); err != nil && !errors.Is(err, store.ErrLocked) {
			r.Problem = k.E.Problem(err)
		}
	case r.Source == store.SourceKeyring && !keys.HasRing(runtime.GOOS):
		_, err = k.Store.RootKey(k.E.Ctx) // elsewhere the system would prompt
	}
	if errors.Is(err, store.ErrLocked) {
		r.Locked = true
		return strings.TrimPrefix(strings.TrimPrefix(err.Error(), store.ErrLocked.Error()), ": "), nil
	}
	return "", err
}

func slotList(slots keys.Slots) ([]slotJSON, error) {
	list := []slotJSON{}
	all, err := slots.List()
	for _, s := range all {
		list = append(list, slotJSON{s.Number, s.Type})
	}
	return list, err
}

func (r keyShow) write(k *Session, what, lockedWhy string) error {
	var b strings.Builder
	line := func(name, text string) {
		if text != "" {
			b.WriteString(printable.Format("%-12s %s\n", name+":", text))
		}
	}
	line("source", r.Source+": "+what)
	line("kid", cmp.Or(r.KID, "none yet: the first login creates the key"))
	line("where", r.Where)
	line("problem", r.Problem)
	if r.Source == store.SourceSlots {
		var slots []string
		for _, s := range r.Slots {
			slots = append(slots, keys.Slot{Number: s.Number, Type: s.Type}.String())
		}
		line("slots", strings.Join(slots, ", "))
	}
	switch {
	case r.Locked:
		line("locked", "yes: "+cmp.Or(lockedWhy, "run '"+k.E.Own("auth", "unlock")+"'"))
	case r.Until != nil:
		line("locked", "no, unlocked until "+terminal.Clock(*r.Until))
	}
	if r.UnderWay {
		line("in progress", "a change of the key is in progress or was interrupted: finish it with '"+k.E.Own("auth", "key", "rotate", "--resume")+"', or revert it with --abort")
	}
	if r.Left != "" {
		line("left over", "the previous key is still in "+r.Left+": "+k.Removal())
	}
	fmt.Fprintf(&b, "protects against:\n  %s\ndoes not protect against:\n  %s\n",
		strings.Join(r.Protects, "\n  "), strings.Join(r.Not, "\n  "))
	_, err := fmt.Fprint(k.E.Out, b.String())
	return err
}

// LeftKey names the place that still has the previous key, or "". It looks only where that is
// cheap and prompts nobody.
func (k *Session) LeftKey() string {
	p := k.Now.Previous
	if p == nil || p.KID == k.Now.KID && p.Key.Equal(k.Now.Source) {
		return ""
	}
	if p.Key.Source == store.SourceSlots {
		path := k.Loc.SealedKeyFile(p.KID)
		if _, err := os.Lstat(path); err != nil || p.KID == k.Now.KID && k.Now.Source.Source == store.SourceSlots {
			return ""
		}
		return path
	}
	place, err := keys.ConfigSources{KeyFile: k.KeyFile}.Choose(k.Loc, p.Key)
	if err != nil || !place.Cheap() {
		return ""
	}
	if _, err := place.Load(k.E.Ctx, p.KID); err != nil {
		return ""
	}
	return keyPlace(k.Loc, p.Key, p.KID, k.KeyFile)
}

// Removal says how to remove the previous key.
func (k *Session) Removal() string {
	if k.Now.Previous.Key.Source == store.SourceEnvironment {
		return "remove its line"
	}
	return "run '" + k.E.Own("auth", "key", "rotate", "--resume") + "'"
}

// protections describe a key source.
type protections struct {
	what     string // "the key is …"
	protects []string
	not      []string
}

// What every store protects against, wherever its key is, and what none does.
const (
	againstCopies  = "copies of the store (backups, sync, images)"
	againstChanges = "changes to the stored logins"
	againstOthers  = "other users"

	notGuessed  = "a passphrase that can be guessed"
	notRollback = "anyone who restores older copies of the store's files"
)

// protectionsOf describes one of the store's sources.
func protectionsOf(goos, source string) protections {
	superuser, private := "root", "the key is a file that only you can read"
	if goos == "windows" {
		superuser, private = "administrators", "the key is a file that its access control list protects"
	}
	always := []string{againstCopies, againstChanges, againstOthers}
	switch source {
	case store.SourceFile:
		return protections{
			private, always,
			[]string{superuser, "your own programs", "anyone who gets the whole home directory or the disk", notRollback},
		}
	case store.SourceSlots:
		return protections{
			"the key is encrypted with age", append(always, "a stolen home directory or disk"),
			[]string{superuser, "your own programs while the store is unlocked", notGuessed, notRollback},
		}
	case store.SourceKeyring:
		return protections{
			"the key is in the keyring of the operating system", append(always, "a stolen disk"),
			[]string{
				superuser, "your own programs while you are logged in, which can also ask the keyring",
				"a login password that can be guessed", notRollback,
			},
		}
	case store.SourceCommand:
		return protections{
			"the key is printed by a program", append(always, "a stolen home directory, if the program keeps the key elsewhere"),
			[]string{superuser, "your own programs, which can run it too", "anyone who can change that program", notRollback},
		}
	case store.SourceEnvironment:
		return protections{
			"the key is in the file that REGSHAPE_KEY_FILE names", append(always, "a stolen home directory, if the file is elsewhere"),
			[]string{superuser, "your own programs", "anyone who can read that file", notRollback},
		}
	}
	return protections{
		fmt.Sprintf("the key comes from the source %q", printable.Line(source, 40)),
		[]string{againstCopies},
		[]string{superuser, "your own programs while the store is unlocked"},
	}
}

// String is what one reads: the place, and what it leaves open that others do not.
func (p protections) String() string {
	not := slices.DeleteFunc(slices.Clone(p.not), func(s string) bool { return s == notRollback })
	return fmt.Sprintf("%s, which does not protect against %s", p.what, terminal.Enumerate(not, "or"))
}

// keyPlace names the place of a key for the user. Without a store there is no kid.
func keyPlace(loc store.Location, source store.KeySource, kid, keyFile string) string {
	switch source.Source {
	case store.SourceFile:
		return loc.KeyFile()
	case store.SourceSlots:
		return loc.SlotsDir(source.Recipient)
	case store.SourceKeyring:
		if kid == "" {
			return "the OS keyring"
		}
		return "the OS keyring, service regshape, account " + kid
	case store.SourceCommand:
		return printable.Line(printable.Shell(source.Command...), 500)
	case store.SourceEnvironment:
		if keyFile == "" {
			return "$REGSHAPE_KEY_FILE, which is not set"
		}
		return printable.Line(keyFile, 500)
	}
	return ""
}

// noteRotation says what a change of the key means.
func noteRotation(e *app.Env, rotated bool) {
	if !rotated {
		e.Warn("the key itself is unchanged (--no-rotate): anyone who finds it in a backup or snapshot can open this store. "+
			"'%s' creates a new one.", e.Own("auth", "key", "rotate"))
		return
	}
	e.Note("the store has a new key, since the old one may be in backups or snapshots.\n"+
		"  Logins that were read with the old key stay exposed: if it may have leaked, revoke the tokens and change the passwords.\n"+
		"  Backups of the old key no longer work: create a new one with '%s'.", e.Own("auth", "key", "backup"))
}
