package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"filippo.io/age"

	"regshape/store"
	"regshape/store/durable"
)

// ErrNoSlot means that nothing the user gave opens what was to be opened.
var ErrNoSlot = errors.New("no matching key slot")

// Opener is what the user has to open a slot or a backup with.
type Opener struct {
	Identities []age.Identity         // from [ParseIdentities]
	Passphrase func() (string, error) // called only when no identity has opened it and a passphrase may; nil cannot ask
	UI         *PluginUI              // for plugins that are tried without an identity, and for what failed before a passphrase is asked for
}

// String hides the identities, which print themselves, from every fmt verb.
func (o Opener) String() string {
	return fmt.Sprintf("opener (%d identities, hidden)", len(o.Identities))
}

// GoString hides the identities.
func (o Opener) GoString() string { return o.String() }

// Unlock opens the key through a slot and keeps it for a time from then on, in the
// operating system's cache. Errors are those of [Slots.Open], and why the cache cannot be
// used.
func (s Slots) Unlock(ctx context.Context, kid string, o Opener, d time.Duration) (until time.Time, err error) {
	k, identity, err := s.Open(ctx, kid, o)
	if err != nil {
		return time.Time{}, err
	}
	until = time.Now().Add(d) // now: nobody's typing counts
	return until, s.unlockedKeys().keep(unlocked{Key: k, Identity: identity, Until: until})
}

// Open returns the key and the store's identity, opened through a slot, and keeps
// neither. Identities are tried before a passphrase is asked for. Errors are
// [store.ErrNoKey], [ErrNoSlot], [ErrWrongPassphrase], [ErrFIPS], that of ctx, and
// those that name a damaged file or a missing plugin.
func (s Slots) Open(ctx context.Context, kid string, o Opener) (store.RootKey, string, error) {
	if err := checkFIPS(); err != nil {
		return store.RootKey{}, "", err
	}
	path := s.Location.SealedKeyFile(kid)
	data, err := durable.ReadSecret(path) // before anybody is asked for anything
	if errors.Is(err, fs.ErrNotExist) {
		return store.RootKey{}, "", s.noKeyError(kid)
	}
	if err != nil {
		return store.RootKey{}, "", err
	}
	id, err := s.openIdentity(ctx, o)
	if err != nil {
		return store.RootKey{}, "", err
	}
	k, err := openKeyLine(ctx, data, id)
	if err != nil {
		return store.RootKey{}, "", fmt.Errorf("%s: %w", path, err)
	}
	if k.KID() != kid {
		return store.RootKey{}, "", fmt.Errorf("%w: %s holds the key %s", store.ErrWrongKey, path, k.KID())
	}
	return k, id.String(), nil
}

func openKeyLine(ctx context.Context, data []byte, id age.Identity) (store.RootKey, error) {
	f, err := readAgeFile(data)
	if err != nil {
		return store.RootKey{}, err
	}
	line, err := f.open(ctx, id)
	if errors.Is(err, age.ErrIncorrectIdentity) {
		return store.RootKey{}, fmt.Errorf("%w: it is encrypted to another store's identity", store.ErrWrongKey)
	}
	if err != nil {
		return store.RootKey{}, err
	}
	return store.ParseKeyLine(string(line))
}

// slotFile is a slot that was read.
type slotFile struct {
	Slot
	file ageFile
}

// openIdentity opens the first slot that can be opened. A failure of one does not keep the
// others from being tried, and is reported if none opens.
func (s Slots) openIdentity(ctx context.Context, o Opener) (*age.X25519Identity, error) {
	slots, err := s.List()
	if err != nil {
		return nil, err
	}
	var byIdentity, byPassphrase []slotFile
	var problems []error
	for _, slot := range slots {
		f, err := readSlot(slot)
		switch {
		case err != nil:
			problems = append(problems, err)
		case slot.Type != typePassphrase:
			byIdentity = append(byIdentity, f)
		case o.Passphrase == nil:
			problems = append(problems, fmt.Errorf("%s: %w", slot.File, errCannotAsk))
		default:
			if err := checkMemory(f.file.logN); err != nil { // before anybody is asked
				problems = append(problems, fmt.Errorf("%s: %w", slot.File, err))
				continue
			}
			byPassphrase = append(byPassphrase, f)
		}
	}
	attempts := trials(o, byIdentity)
	if len(o.Identities) == 0 {
		attempts = s.pluginTrials(o.UI, byIdentity)
	}
	for _, t := range attempts {
		id, err := s.try(ctx, t.slot, t.identity)
		if err == nil {
			return id, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !errors.Is(err, age.ErrIncorrectIdentity) {
			problems = append(problems, err)
		}
	}
	// Others may have put slots here to keep whoever unlocks the store busy.
	sort.SliceStable(byPassphrase, func(i, j int) bool { return byPassphrase[i].file.logN < byPassphrase[j].file.logN })
	work := 0
	for i, f := range byPassphrase {
		if work += 1 << f.file.logN; work > maxWork {
			problems = append(problems, fmt.Errorf("%s: not tried, since the slots before it take too long: remove those that are not yours", f.File))
			byPassphrase = byPassphrase[:i]
			break
		}
	}
	reason := fmt.Errorf("%w: %s", ErrNoSlot, inWords(slots))
	if others, err := durable.ReadDir(filepath.Dir(s.dir())); err == nil && len(slots) == 0 && len(others) > 0 {
		reason = fmt.Errorf("%w for the age recipient %.80q that the config names, but %s has slots of another one: "+
			"the config was changed: restore it from a backup", reason, s.Recipient, filepath.Dir(s.dir()))
	}
	if len(byPassphrase) > 0 {
		if o.UI != nil && o.UI.Display != nil {
			for _, p := range problems {
				o.UI.Display(o.UI.explain(p))
			}
		}
		id, more, err := s.openByPassphrase(ctx, o.Passphrase, byPassphrase)
		if id != nil {
			return id, nil
		}
		reason, problems = err, append(problems, more...)
	}
	for _, p := range problems {
		reason = fmt.Errorf("%w; %w", reason, p)
	}
	return nil, reason
}

// openByPassphrase asks once and tries every passphrase slot.
func (s Slots) openByPassphrase(ctx context.Context, ask func() (string, error), slots []slotFile) (_ *age.X25519Identity, problems []error, err error) {
	passphrase, err := ask()
	if err != nil {
		return nil, nil, err
	}
	reason := ErrWrongPassphrase
	scrypt, err := age.NewScryptIdentity(passphrase)
	if err != nil { // it is empty
		return nil, nil, reason
	}
	for _, slot := range slots {
		id, err := s.try(ctx, slot, scrypt)
		if err == nil {
			return id, nil, nil
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if !errors.Is(err, age.ErrIncorrectIdentity) {
			problems = append(problems, err)
		}
	}
	if len(problems) == len(slots) {
		reason = ErrNoSlot // no slot has judged it
	}
	return nil, problems, reason
}

func readSlot(slot Slot) (slotFile, error) {
	data, err := durable.ReadSecret(slot.File)
	if err != nil {
		return slotFile{}, err
	}
	f, err := readAgeFile(data)
	if err == nil && f.passphrase() != (slot.Type == typePassphrase) {
		err = errDamagedAge
	}
	if err != nil {
		return slotFile{}, fmt.Errorf("%s: %w", slot.File, err)
	}
	return slotFile{slot, f}, nil
}

type trial struct {
	slot     slotFile
	identity age.Identity
}

// trials pairs every identity with every slot that it may open, those first that need no
// plugin. A plugin is kept from the slots of others, where it has one of its own: it may
// ask for a PIN before it looks.
func trials(o Opener, slots []slotFile) []trial {
	var native, plugins []trial
	for _, id := range o.Identities {
		p, isPlugin := id.(pluginIdentity)
		if !isPlugin {
			for _, slot := range slots {
				native = append(native, trial{slot, id})
			}
			continue
		}
		own := slices.ContainsFunc(slots, func(s slotFile) bool { return s.Type == typePlugin+p.talk.name })
		for _, slot := range slots {
			if !own || slot.Type == typePlugin+p.talk.name {
				plugins = append(plugins, trial{slot, id})
			}
		}
	}
	return append(native, plugins...)
}

// try opens a slot. A slot of another store is an error that names it.
func (s Slots) try(ctx context.Context, slot slotFile, id age.Identity) (*age.X25519Identity, error) {
	line, err := slot.file.open(ctx, id)
	if errors.Is(err, age.ErrIncorrectIdentity) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", slot.File, err)
	}
	opened, err := age.ParseX25519Identity(strings.TrimSpace(string(line)))
	if err != nil { // the cause may quote it
		return nil, fmt.Errorf("%s: %w", slot.File, errDamagedAge)
	}
	if opened.Recipient().String() != s.Recipient {
		return nil, fmt.Errorf("%s belongs to another store: move it there", slot.File)
	}
	return opened, nil
}
