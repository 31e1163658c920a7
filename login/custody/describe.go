package custody

import (
	"fmt"

	"regshape/login/app"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/printable"
)

// protections are the words about a key source: what it is, and what it is good for.
type protections struct {
	what     string // "the key is …"
	protects []string
	not      []string
}

// What every store protects against, whatever the place of its key, and what none does.
const (
	againstCopies  = "copies of the store (backups, sync, images)"
	againstChanges = "changes to the stored logins"
	againstOthers  = "other users"

	notGuessed  = "a passphrase that can be guessed"
	notRollback = "somebody who puts older copies of the store's files back"
)

// protectionsOf is about one of the store's sources.
func protectionsOf(source string) protections {
	always := []string{againstCopies, againstChanges, againstOthers}
	switch source {
	case store.SourceFile:
		return protections{
			"the key is a file that only you can read", always,
			[]string{"root", "your own programs", "somebody who gets the whole home folder or the disk", notRollback},
		}
	case store.SourceSlots:
		return protections{
			"the key is encrypted with age", append(always, "a stolen home folder or disk"),
			[]string{"root", "your own programs while the store is unlocked", notGuessed, notRollback},
		}
	case store.SourceKeyring:
		return protections{
			"the key is in the keyring of the operating system", append(always, "a stolen disk"),
			[]string{
				"root", "your own programs while you are logged in, which may ask the keyring for the key too",
				"a login password that can be guessed", notRollback,
			},
		}
	case store.SourceCommand:
		return protections{
			"the key is what a program prints", append(always, "a stolen home folder, where the program keeps the key elsewhere"),
			[]string{"root", "your own programs, which can run it too", "whoever can change that program", notRollback},
		}
	case store.SourceEnvironment:
		return protections{
			"the key is in the file that REGSHAPE_KEY_FILE names", append(always, "a stolen home folder, where the file is not in it"),
			[]string{"root", "your own programs", "whoever can read that file", notRollback},
		}
	}
	return protections{
		fmt.Sprintf("the key comes from the source %q", printable.Line(source, 40)),
		[]string{againstCopies},
		[]string{"root", "your own programs while the store is unlocked"},
	}
}

// String says it in one sentence.
func (p protections) String() string {
	return fmt.Sprintf("%s: it protects against %s, but not against %s", p.what, terminal.Enumerate(p.protects, "and"), terminal.Enumerate(p.not, "or"))
}

// keyPlace names the place of a key so that the user finds it. A store that is not there
// yet has no kid.
func keyPlace(loc store.Location, source store.KeySource, kid, keyFile string) string {
	switch source.Source {
	case store.SourceFile:
		return loc.KeyFile()
	case store.SourceSlots:
		return loc.SlotsFolder(source.Recipient)
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

// What a change of the key does and does not do.
const (
	rotatedNote = "the store has a new key, since the old one may stand in backups or snapshots.\n" +
		"  That takes back nothing that somebody has already read: where the old key may have leaked, revoke the tokens and replace the passwords.\n" +
		"  Backups of the old key are of no use any more: make a new one with '%s'."
	keptNote = "the key itself is the old one (--no-rotate): whoever finds it in a backup or snapshot opens this store. " +
		"'%s' makes a new one."
)

// noteRotation says which of the two holds.
func noteRotation(e *app.Env, rotated bool) {
	if rotated {
		e.Note(rotatedNote, e.Own("auth", "key", "backup"))
		return
	}
	e.Warn(keptNote, e.Own("auth", "key", "rotate"))
}
