package custody

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"

	"regshape/login/app"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/keys"
	"regshape/store/printable"
	"regshape/store/trust"
)

// Backup prints the key as an age file.
type Backup struct {
	Recipient      string `placeholder:"age1…" help:"Encrypt the backup to this age recipient, also of a plugin."`
	PassphraseFile string `name:"passphrase-file" placeholder:"FILE" type:"path" help:"Encrypt it with the passphrase in this file; - is standard input. By default, prompt for a passphrase."`
}

// backupResult is the JSON of key backup.
type backupResult struct {
	Status string `json:"status"` // "success"
	KID    string `json:"kid"`
	Backup string `json:"backup"` // the age file, with armor
}

// Run prints the key as an age file.
func (c *Backup) Run(e *app.Env) error {
	if c.Recipient != "" && c.PassphraseFile != "" { // an empty recipient is none, which kong's xor would count
		return &app.UsageError{Message: "--recipient and --passphrase-file cannot be used together", Hint: "give one of them"}
	}
	k, err := Open(e, "back up the key")
	if err != nil {
		return err
	}
	if k.Now.KID == "" {
		return k.failed(errNoStore)
	}
	root, err := k.Store.RootKey(e.Ctx)
	if err != nil {
		return k.failed(err)
	}
	recipient, err := c.recipient(e)
	if err != nil {
		return k.failed(err)
	}
	var sealed bytes.Buffer
	if err := keys.SealBackup(e.Ctx, &sealed, root, recipient); err != nil {
		return k.failed(err)
	}
	e.Note("keep the backup on another machine, and what decrypts it somewhere else. It is valid for the store of kid %s until the key is rotated. "+
		"'%s' restores it; the age program can decrypt it too.", root.KID(), e.Own("auth", "key", "restore", "BACKUP"))
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

func (c *Backup) recipient(e *app.Env) (keys.Recipient, error) {
	if c.Recipient != "" {
		return keys.ParseRecipient(c.Recipient, pluginUI(e))
	}
	passphrase, err := newPassphrase(e, c.PassphraseFile)
	if err != nil {
		return keys.Recipient{}, err
	}
	return keys.PassphraseRecipient(passphrase)
}

// Restore restores a lost key from a backup.
type Restore struct {
	unlockFlags
	File string `arg:"" name:"file" type:"path" help:"The backup; - is standard input."`
}

// restoreResult is the JSON of key restore.
type restoreResult struct {
	Status  string `json:"status"` // "success"
	Source  string `json:"source"` // as in key show
	KID     string `json:"kid"`
	Where   string `json:"where"`   // as in key show
	Logins  int    `json:"logins"`  // that the key decrypts
	Damaged int    `json:"damaged"` // that it does not
}

// Run restores a lost key.
func (c *Restore) Run(e *app.Env) error {
	if c.File == "-" && (c.Identity == "-" || c.PassphraseFile == "-") {
		return &app.UsageError{Message: "standard input cannot be both the backup and what decrypts it", Hint: "give one of them as a file"}
	}
	k, err := openForChange(e, "restore the key")
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
	err = k.warnLeftBehind(k.Store.Restore(e.Ctx, root, source, place))
	if errors.Is(err, store.ErrWrongKey) {
		err = fmt.Errorf("%v: give the backup of this store's key", err) //nolint:errorlint // its hint is to do this again
	}
	if err != nil {
		return k.failed(err)
	}
	if k, err = open(e, k.doing, keys.ConfigSources{KeyFile: k.KeyFile}); err != nil { // as other runs find it now
		return err
	}
	found, damaged, err := k.Store.List(e.Ctx)
	if err != nil {
		return k.failed(err)
	}
	if before != source.Source {
		e.Warn("the key was protected and is an unencrypted file now: run '%s' to protect it again.", e.Own("auth", "key", "protect", "--passphrase"))
	}
	if k.KeyFile != "" {
		e.Warn("unset REGSHAPE_KEY_FILE now: while it is set, the key is read from %s only.", k.KeyFile)
	}
	r := restoreResult{"success", k.Now.Source.Source, k.Now.KID, k.PlaceNow(), len(found), len(damaged)}
	if e.JSON {
		return app.WriteJSON(e.Out, r)
	}
	text := fmt.Sprintf("The key %s is restored (%s). It opens %s", r.KID, r.Where, terminal.Count(r.Logins, "login"))
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

// read opens the backup.
func (c *Restore) read(k *Session) (root store.RootKey, err error) {
	data, err := readFile(k.E, c.File, maxIdentityFile)
	if err != nil {
		return root, fmt.Errorf("read the backup: %w", err)
	}
	o, err := opener(k.E, c.unlockFlags, "Passphrase of the backup: ")
	if err != nil {
		return root, err
	}
	err = retry(k.E, c.unlockFlags, func() error {
		root, err = keys.OpenBackup(k.E.Ctx, data, o)
		return err
	})
	if errors.Is(err, keys.ErrNoSlot) && c.Identity == "" {
		err = &app.UsageError{Message: err.Error(), Hint: "give it with --identity FILE"}
	}
	return root, err
}

// Generate prints a new key line.
type Generate struct{}

// generateResult is the JSON of key generate.
type generateResult struct {
	Status string `json:"status"` // "success"
	KID    string `json:"kid"`
	Line   string `json:"line"` // the key line, a secret
}

// Run prints a new key line for a secret manager. It does not use a store.
func (*Generate) Run(e *app.Env) error {
	k := store.NewRootKey()
	if e.JSON {
		return app.WriteJSON(e.Out, generateResult{"success", k.KID(), k.Line()})
	}
	return e.Say("%s", k.Line())
}

// Manual is the text of --help and of the man page.
func (*Generate) Manual() app.Manual {
	private := "(umask 077; regshape auth key generate >FILE)"
	if runtime.GOOS == "windows" {
		private = "regshape auth key generate >FILE"
	}
	return app.Manual{Failed: "no key was generated", Examples: [][2]string{
		{"regshape auth key generate | vault kv put secret/regshape key=-", "into a secret manager"},
		{private, "for REGSHAPE_KEY_FILE"},
	}}
}

// Reset starts a new store when the key is lost.
type Reset struct {
	ForgetAllLogins bool `name:"forget-all-logins" help:"Yes, give up every stored login."`
}

// resetResult is the JSON of key reset.
type resetResult struct {
	Status string   `json:"status"` // "success"
	Aside  []string `json:"aside"`  // the new paths of what was moved aside
}

// Run moves a store whose key is lost aside.
func (c *Reset) Run(e *app.Env) error {
	if !c.ForgetAllLogins {
		return &app.UsageError{
			Message: "a reset gives up every stored login",
			Hint:    "to do that: " + e.Own("auth", "key", "reset", "--forget-all-logins"),
		}
	}
	loc, err := e.Locate()
	if err != nil {
		return err
	}
	if _, err := trust.Revoke(loc); err != nil {
		return &app.StoreError{Registry: "", Doing: "reset the store", Err: err}
	}
	aside, err := loc.Forget(e.Now())
	if err != nil {
		return &app.StoreError{Registry: "", Doing: "reset the store", Err: err}
	}
	if e.JSON {
		if aside == nil {
			aside = []string{}
		}
		return app.WriteJSON(e.Out, resetResult{"success", aside})
	}
	if len(aside) == 0 {
		return e.Say("There is no store to reset.")
	}
	_ = e.Say("The store is empty; the next login starts a new one. Moved aside, in case the key is found:")
	for _, path := range aside {
		if err = e.Say("  %s", path); err != nil {
			return err
		}
	}
	return e.Say("To delete them: %s", app.DeleteAside(aside))
}

// Manual is the text of --help and of the man page.
func (*Reset) Manual() app.Manual {
	return app.Manual{Failed: "nothing was changed", Examples: [][2]string{
		{"regshape auth key reset --forget-all-logins", "move the old entries aside"},
		{"regshape auth key reset --forget-all-logins --profile work", "those of a profile"},
	}}
}
