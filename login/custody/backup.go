package custody

import (
	"bytes"
	"errors"
	"fmt"

	"regshape/login/app"
	"regshape/store"
	"regshape/store/keys"
	"regshape/store/printable"
)

// Backup prints the key as an age file.
type Backup struct {
	Recipient      string `placeholder:"age1…" help:"Encrypt the backup to this age recipient, also a plugin's."`
	PassphraseFile string `name:"passphrase-file" placeholder:"FILE" type:"path" help:"Encrypt it with the passphrase in this file; - is standard input. Else a passphrase is asked for."`
}

// backupResult is the JSON of key backup.
type backupResult struct {
	Status string `json:"status"` // "success"
	KID    string `json:"kid"`
	Backup string `json:"backup"` // the age file, with armor
}

// Run prints the key as an age file.
func (c *Backup) Run(e *app.Env) error {
	if c.Recipient != "" && c.PassphraseFile != "" {
		return &app.UsageError{Message: "--recipient and --passphrase-file exclude each other", Hint: "give one of them"}
	}
	k, err := Open(e, "back up the key")
	if err != nil {
		return err
	}
	if k.Now.KID == "" {
		return k.failed(errors.New("there is no store yet: the first login makes its key"))
	}
	root, err := k.Store.RootKey(e.Ctx)
	if err != nil {
		return k.failed(err)
	}
	way, err := c.way(e)
	if err != nil {
		return k.failed(err)
	}
	var sealed bytes.Buffer
	if err := keys.SealBackup(e.Ctx, &sealed, root, way); err != nil {
		return k.failed(err)
	}
	e.Note("keep the backup away from this machine, and what opens it apart from it. It opens the store of kid %s until the key is rotated; "+
		"'%s' takes it back, and the age program opens it, too.", root.KID(), e.Own("auth", "key", "restore", "BACKUP"))
	if e.JSON {
		return app.WriteJSON(e.Out, backupResult{"success", root.KID(), sealed.String()})
	}
	_, err = printable.Raw(e.Out).Write(sealed.Bytes())
	return err
}

// Manual is the text of --help and of the man page.
func (*Backup) Manual() app.Manual {
	return app.Manual{Failed: "no backup was written", Examples: [][2]string{
		{"regshape auth key backup >regshape-key.age", "prompt for a passphrase"},
		{"regshape auth key backup --recipient age1… >regshape-key.age", "to an age key that is kept elsewhere"},
	}}
}

func (c *Backup) way(e *app.Env) (keys.Way, error) {
	if c.Recipient != "" {
		return keys.RecipientWay(c.Recipient, pluginUI(e))
	}
	passphrase, err := newPassphrase(e, c.PassphraseFile)
	if err != nil {
		return keys.Way{}, err
	}
	return keys.PassphraseWay(passphrase)
}

// Restore puts a lost key back from a backup.
type Restore struct {
	wayIn
	File string `arg:"" name:"file" type:"path" help:"The backup; - is standard input."`
}

// restoreResult is the JSON of key restore.
type restoreResult struct {
	Status  string `json:"status"` // "success"
	Source  string `json:"source"` // as in key show
	KID     string `json:"kid"`
	Where   string `json:"where"`   // as in key show
	Logins  int    `json:"logins"`  // how many open with the key
	Damaged int    `json:"damaged"` // how many do not
}

// Run puts a lost key back.
func (c *Restore) Run(e *app.Env) error {
	if err := c.check(); err != nil {
		return err
	}
	k, err := openCustodyToChange(e, "restore the key")
	if err != nil {
		return err
	}
	root, err := c.read(k)
	if err != nil {
		return k.failed(err)
	}
	source := store.KeySource{Source: store.SourceFile}
	var place store.Key = keys.File{Location: k.Loc}
	if k.Now.Source.Source == store.SourceKeyring {
		source, place = k.Now.Source, keys.NewKeyring()
	}
	before := k.Now.Source.Source
	err = k.settle(k.Store.Restore(e.Ctx, root, source, place))
	if errors.Is(err, store.ErrWrongKey) { // the store's own key may be where it should be
		err = fmt.Errorf("%v: give the backup of the store's own key", err) //nolint:errorlint // its advice is to do what was just done
	}
	if err != nil {
		return k.failed(err)
	}
	// The store as any other run finds it now.
	if err := k.open(configured{keyFile: k.KeyFile}); err != nil {
		return err
	}
	found, damaged, err := k.Store.List(e.Ctx)
	if err != nil {
		return k.failed(err)
	}
	if before != source.Source {
		e.Warn("the key was protected, and is a clear file now: run '%s' to protect it again.", e.Own("auth", "key", "protect", "--passphrase"))
	}
	if k.KeyFile != "" {
		e.Warn("unset REGSHAPE_KEY_FILE now: while it is set, the key is looked for in %s alone.", k.KeyFile)
	}
	r := restoreResult{"success", k.Now.Source.Source, k.Now.KID, k.PlaceNow(), len(found), len(damaged)}
	if e.JSON {
		return app.WriteJSON(e.Out, r)
	}
	text := fmt.Sprintf("The key %s is back (%s). It opens %d logins", r.KID, r.Where, r.Logins)
	if r.Logins == 1 {
		text = text[:len(text)-1]
	}
	if r.Damaged > 0 {
		text += fmt.Sprintf(", and %d are damaged: run '%s'", r.Damaged, e.Own("auth", "doctor"))
	}
	return e.Say("%s.", text)
}

// Manual is the text of --help and of the man page.
func (*Restore) Manual() app.Manual {
	return app.Manual{Failed: "nothing was changed", Examples: [][2]string{
		{"regshape auth key restore regshape-key.age", "prompt for the passphrase of the backup"},
		{"regshape auth key restore regshape-key.age --identity FILE", "with an age identity"},
	}}
}

func (c *Restore) check() error {
	if c.File == "-" && (c.Identity == "-" || c.PassphraseFile == "-") {
		return &app.UsageError{Message: "standard input cannot be both the backup and what opens it", Hint: "give one of them as a file"}
	}
	return c.wayIn.check()
}

// read opens the backup.
func (c *Restore) read(k *Session) (root store.RootKey, err error) {
	data, err := readFile(k.E, c.File, maxIdentityFile)
	if err != nil {
		return root, fmt.Errorf("read the backup: %w", err)
	}
	o, err := opener(k.E, c.wayIn, "Passphrase of the backup: ")
	if err != nil {
		return root, err
	}
	err = retry(k.E, c.wayIn, func() error {
		root, err = keys.OpenBackup(k.E.Ctx, data, o)
		return err
	})
	if errors.Is(err, keys.ErrNoSlot) && c.Identity == "" {
		err = &app.UsageError{Message: err.Error(), Hint: "give it with --identity FILE"}
	}
	return root, err
}
