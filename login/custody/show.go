package custody

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"regshape/login/app"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/keys"
	"regshape/store/printable"
)

// Show says where the key is, and what that protects against.
type Show struct{}

// keyShow is the JSON of key show.
type keyShow struct {
	Status   string     `json:"status"`        // "success"
	Source   string     `json:"source"`        // "file", "slots", "keyring", "command" or "environment"
	KID      string     `json:"kid,omitempty"` // absent for a store that is not there yet
	Where    string     `json:"where"`         // a path, a command line, or words
	Slots    []slotJSON `json:"slots"`
	Locked   bool       `json:"locked"`
	Until    *time.Time `json:"until,omitempty"`   // slots that are unlocked: until when
	Protects []string   `json:"protects"`          // against what
	Not      []string   `json:"not"`               // against what not
	UnderWay bool       `json:"under_way"`         // a change of the key is, or was cut short
	Left     string     `json:"left,omitempty"`    // where the key before this one still is
	Problem  string     `json:"problem,omitempty"` // why the key cannot be read there, or a way in not be used
}

// slotJSON is one way in.
type slotJSON struct {
	Number int    `json:"number"`
	Type   string `json:"type"` // "passphrase", "recipient", or "plugin-" and the plugin's name
}

// Run says where the key is and what that is good for. It loads no key.
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

// state fills in the ways in and whether the store is locked, and says why it is.
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
	case r.Source == store.SourceKeyring && runtime.GOOS != "darwin" && runtime.GOOS != "windows":
		_, err = k.Store.RootKey(k.E.Ctx) // there the system itself would ask the user
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
	if r.KID == "" {
		line("kid", "none yet: the first login makes the key")
	} else {
		line("kid", r.KID)
	}
	line("where", r.Where)
	line("problem", r.Problem)
	if r.Source == store.SourceSlots {
		var ways []string
		for _, s := range r.Slots {
			ways = append(ways, keys.Slot{Number: s.Number, Type: s.Type}.String())
		}
		line("ways in", strings.Join(ways, ", "))
	}
	switch {
	case r.Locked:
		text := "yes: " + lockedWhy // which may say what else to do
		if lockedWhy == "" {
			text = "yes: run '" + k.E.Own("auth", "unlock") + "'"
		}
		line("locked", text)
	case r.Until != nil:
		line("locked", "no, unlocked until "+terminal.Clock(*r.Until))
	}
	if r.UnderWay {
		line("under way", "a change of the key is, or was cut short: finish it with '"+k.E.Own("auth", "key", "rotate", "--resume")+"', or take it back with --abort")
	}
	if r.Left != "" {
		line("left over", "the key before this one is still in "+r.Left+": "+k.Removal())
	}
	fmt.Fprintf(&b, "protects against:\n  %s\ndoes not protect against:\n  %s\n",
		strings.Join(r.Protects, "\n  "), strings.Join(r.Not, "\n  "))
	_, err := fmt.Fprint(k.E.Out, b.String())
	return err
}

// LeftKey names the place of the key before this one, if it is still there, "" else. It
// looks only where that costs nothing and asks nobody.
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
	place, err := configured{keyFile: k.KeyFile}.Choose(k.Loc, p.Key)
	if err != nil || !place.Cheap() {
		return ""
	}
	if _, err := place.Load(k.E.Ctx, p.KID); err != nil {
		return ""
	}
	return keyPlace(k.Loc, p.Key, p.KID, k.KeyFile)
}

// Removal says how the key before this one goes away.
func (k *Session) Removal() string {
	if k.Now.Previous.Key.Source == store.SourceEnvironment {
		return "take its line out"
	}
	return "run '" + k.E.Own("auth", "key", "rotate", "--resume") + "'"
}
