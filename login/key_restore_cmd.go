package login

import (
	"errors"
	"fmt"

	"regshape/store"
	"regshape/store/keys"
)

type keyRestoreCmd struct {
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
func (c *keyRestoreCmd) Run(e *env) error {
	if err := c.check(); err != nil {
		return err
	}
	k, err := e.openCustodyToChange("restore the key")
	if err != nil {
		return err
	}
	root, err := c.read(k)
	if err != nil {
		return k.failed(err)
	}
	source := store.KeySource{Source: store.SourceFile}
	var place store.Key = keys.File{Location: k.loc}
	if k.now.Source.Source == store.SourceKeyring {
		source, place = k.now.Source, keys.NewKeyring()
	}
	before := k.now.Source.Source
	err = k.settle(k.store.Restore(e.ctx, root, source, place))
	if errors.Is(err, store.ErrWrongKey) { // the store's own key may be where it should be
		err = fmt.Errorf("%v: give the backup of the store's own key", err) //nolint:errorlint // its advice is to do what was just done
	}
	if err != nil {
		return k.failed(err)
	}
	// The store as any other run finds it now.
	if err := k.open(configured{keyFile: k.keyFile}); err != nil {
		return err
	}
	found, damaged, err := k.store.List(e.ctx)
	if err != nil {
		return k.failed(err)
	}
	if before != source.Source {
		e.warn("the key was protected, and is a clear file now: run '%s' to protect it again.", e.own("auth", "key", "protect", "--passphrase"))
	}
	if k.keyFile != "" {
		e.warn("unset REGSHAPE_KEY_FILE now: while it is set, the key is looked for in %s alone.", k.keyFile)
	}
	r := restoreResult{"success", k.now.Source.Source, k.now.KID, k.placeNow(), len(found), len(damaged)}
	if e.JSON {
		return writeJSON(e.Out, r)
	}
	text := fmt.Sprintf("The key %s is back (%s). It opens %d logins", r.KID, r.Where, r.Logins)
	if r.Logins == 1 {
		text = text[:len(text)-1]
	}
	if r.Damaged > 0 {
		text += fmt.Sprintf(", and %d are damaged: run '%s'", r.Damaged, e.own("auth", "doctor"))
	}
	return e.say("%s.", text)
}

func (c *keyRestoreCmd) check() error {
	if c.File == "-" && (c.Identity == "-" || c.PassphraseFile == "-") {
		return &usageError{"standard input cannot be both the backup and what opens it", "give one of them as a file"}
	}
	return c.wayIn.check()
}

// read opens the backup.
func (c *keyRestoreCmd) read(k *custody) (root store.RootKey, err error) {
	data, err := k.e.readFile(c.File, maxIdentityFile)
	if err != nil {
		return root, fmt.Errorf("read the backup: %w", err)
	}
	o, err := k.e.opener(c.wayIn, "Passphrase of the backup: ")
	if err != nil {
		return root, err
	}
	err = k.e.retry(c.wayIn, func() error {
		root, err = keys.OpenBackup(k.e.ctx, data, o)
		return err
	})
	if errors.Is(err, keys.ErrNoSlot) && c.Identity == "" {
		err = &usageError{err.Error(), "give it with --identity FILE"}
	}
	return root, err
}
