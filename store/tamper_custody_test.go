//go:build unix

package store_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"regshape/store"
	"regshape/store/durable"
	"regshape/store/keys"
)

// custody is one way to keep the key of the stores that are tampered with.
type custody struct {
	name      string
	sources   func() store.Sources // of the store in dir, anew for each run
	secrets   []string             // what no error may hold
	bits      int                  // every how manyth bit of an entry is flipped
	keyBits   int                  // and of a slot and an encrypted key, which only unlocking reads
	keyInData bool                 // the key lies among the sealed files

	another func(t *testing.T, dir string)         // makes another store of the same user
	change  func(t *testing.T, dir string)         // changes its key
	fill    func(t *testing.T, dir, prefix string) // writes the logins, as one who can unlock it
}

// custodies make a store with the logins in it.
var custodies = []struct {
	name  string
	build func(t *testing.T, dir string) custody
}{
	{"key file", func(t *testing.T, dir string) custody { return inFile(t, dir, false) }},
	{"REGSHAPE_KEY_FILE", func(t *testing.T, dir string) custody { return inFile(t, dir, true) }},
	{"slots, unlocked", func(t *testing.T, dir string) custody { return inSlots(t, dir, "unlocked") }},
	{"slots, unlocked each time", func(t *testing.T, dir string) custody { return inSlots(t, dir, "unlocking") }},
	{"slots, locked", func(t *testing.T, dir string) custody { return inSlots(t, dir, "locked") }},
}

// fill puts the logins into a store.
func fill(t *testing.T, dir string, sources store.Sources, prefix string) {
	t.Helper()
	s, err := store.Open(locate(t, dir), sources)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range tamperLogins {
		c := store.Credential{ServerURL: l.server, Username: "u", Secret: prefix + l.secret}
		if strings.HasPrefix(l.server, "expired") {
			c.Expires = time.Now().Add(-time.Hour)
		}
		if err := s.Put(context.Background(), c); err != nil {
			t.Fatal(err)
		}
	}
}

func turn(t *testing.T, dir string, sources store.Sources, source store.KeySource, place store.Key, k *store.RootKey) {
	t.Helper()
	s, err := store.Open(locate(t, dir), sources)
	if err == nil {
		err = s.Rotate(context.Background(), store.Rotation{Source: source, Place: place, Key: k})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// places are those of keys.Sources, with the key file as the default on every system, and
// slots unlocked as the test has it.
type places struct {
	keys.Sources
	slots func(store.Key) store.Key
}

func (p places) Default() store.KeySource {
	if p.KeyFile != "" {
		return p.Sources.Default()
	}
	return store.KeySource{Source: store.SourceFile}
}

func (p places) Choose(loc store.Location, source store.KeySource) (store.Key, error) {
	k, err := p.Sources.Choose(loc, source)
	if err == nil && source.Source == store.SourceSlots && p.slots != nil {
		k = p.slots(k)
	}
	return k, err
}

// inFile is the key in a file of the store, or in one of its directory that the user names.
func inFile(t *testing.T, dir string, named bool) custody {
	t.Helper()
	of := func(dir string) places {
		if named {
			return places{Sources: keys.Sources{KeyFile: filepath.Join(dir, "named")}}
		}
		return places{}
	}
	line := func(t *testing.T, dir string, k store.RootKey) {
		t.Helper()
		err := durable.MakeDirs(dir)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "named"), []byte("# of the build machines\n"+k.Line()+"\n"), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c := custody{name: "key file", bits: 1, sources: func() store.Sources { return of(dir) }}
	c.fill = func(t *testing.T, dir, prefix string) { t.Helper(); fill(t, dir, of(dir), prefix) }
	build := func(t *testing.T, dir, prefix string) {
		t.Helper()
		if named {
			line(t, dir, store.NewRootKey())
		}
		c.fill(t, dir, prefix)
	}
	c.another = func(t *testing.T, dir string) { t.Helper(); build(t, dir, foreign) }
	c.change = func(t *testing.T, dir string) {
		t.Helper()
		p := of(dir)
		turn(t, dir, p, p.Default(), keys.File{Location: locate(t, dir)}, nil)
	}
	if named {
		c.name, c.bits = "REGSHAPE_KEY_FILE", 32
		c.change = func(t *testing.T, dir string) {
			t.Helper()
			next, both := store.NewRootKey(), filepath.Join(t.TempDir(), "both")
			data, err := os.ReadFile(filepath.Join(dir, "named"))
			if err == nil {
				err = os.WriteFile(both, append(data, next.Line()...), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			p := places{Sources: keys.Sources{KeyFile: both}}
			turn(t, dir, p, p.Default(), keys.Named{Path: both}, &next)
			line(t, dir, next)
		}
	}
	build(t, dir, "")
	c.secrets = append(keyText(t, dir, of(dir)), "CANARY-")
	return c
}

// keyText is what of a store's key no error may hold.
func keyText(t *testing.T, dir string, sources store.Sources) []string {
	t.Helper()
	s, err := store.Open(locate(t, dir), sources)
	if err != nil {
		t.Fatal(err)
	}
	k, err := s.RootKey(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return []string{strings.Fields(k.Line())[2]}
}

// inSlots is the key encrypted to the store's own identity, and that to an age recipient.
// how is "locked", "unlocked" once and for all, or "unlocking" for each run.
func inSlots(t *testing.T, dir, how string) custody {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]store.RootKey{}
	unlocked := func(kept map[string]store.RootKey) store.Sources {
		return places{slots: func(k store.Key) store.Key {
			return opened{k.(keys.Slots), keys.Opener{Identities: []age.Identity{id}}, kept}
		}}
	}
	build := func(t *testing.T, dir, prefix string) {
		fill(t, dir, places{}, prefix)
		way, err := keys.ParseRecipient(id.Recipient().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		slots, err := keys.NewSlots(locate(t, dir), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := slots.Add(context.Background(), way, ""); err != nil {
			t.Fatal(err)
		}
		turn(t, dir, places{}, slots.Source(), slots, nil)
	}
	build(t, dir, "")
	secrets := append(keyText(t, dir, unlocked(kept)), "CANARY-", id.String())
	c := custody{name: "slots, " + how, secrets: secrets, bits: 32, keyBits: 8, keyInData: true}
	c.fill = func(t *testing.T, dir, prefix string) { t.Helper(); fill(t, dir, unlocked(kept), prefix) }
	switch how {
	case "locked":
		c.sources = func() store.Sources { return places{} }
	case "unlocked":
		c.sources = func() store.Sources { return unlocked(kept) }
	default:
		c.bits, c.keyBits, c.sources = 256, 1, func() store.Sources { return unlocked(map[string]store.RootKey{}) }
	}
	c.another = func(t *testing.T, dir string) {
		build(t, dir, foreign)
		keyText(t, dir, unlocked(kept)) // the user has unlocked it, too
	}
	c.change = func(t *testing.T, dir string) {
		s, err := store.Open(locate(t, dir), unlocked(kept))
		if err != nil {
			t.Fatal(err)
		}
		custody, err := s.Custody()
		if err != nil {
			t.Fatal(err)
		}
		slots := keys.Slots{Location: locate(t, dir), Recipient: custody.Source.Recipient}
		_, identity, err := slots.Open(context.Background(), custody.KID, keys.Opener{Identities: []age.Identity{id}})
		if err != nil {
			t.Fatal(err)
		}
		slots.Identity = identity
		turn(t, dir, unlocked(kept), custody.Source, slots, nil)
		keyText(t, dir, unlocked(kept))
	}
	return c
}

// opened are slots that somebody has unlocked with an identity. What was opened is kept as
// the kernel's keyring keeps it, by its kid.
type opened struct {
	keys.Slots
	with keys.Opener
	kept map[string]store.RootKey
}

func (o opened) Load(ctx context.Context, kid string) (store.RootKey, error) {
	if kid == "" {
		return o.Slots.Load(ctx, kid)
	}
	if k, ok := o.kept[kid]; ok {
		return k, nil
	}
	k, _, err := o.Open(ctx, kid, o.with)
	if err == nil {
		o.kept[kid] = k
	}
	return k, err
}
