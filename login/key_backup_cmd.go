package login

import (
	"bytes"
	"errors"

	"regshape/store/keys"
	"regshape/store/printable"
)

type keyBackupCmd struct {
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
func (c *keyBackupCmd) Run(e *env) error {
	if c.Recipient != "" && c.PassphraseFile != "" {
		return &usageError{"--recipient and --passphrase-file exclude each other", "give one of them"}
	}
	k, err := e.openCustody("back up the key")
	if err != nil {
		return err
	}
	if k.now.KID == "" {
		return k.failed(errors.New("there is no store yet: the first login makes its key"))
	}
	root, err := k.store.RootKey(e.ctx)
	if err != nil {
		return k.failed(err)
	}
	way, err := c.way(e)
	if err != nil {
		return k.failed(err)
	}
	var sealed bytes.Buffer
	if err := keys.SealBackup(e.ctx, &sealed, root, way); err != nil {
		return k.failed(err)
	}
	e.note("keep the backup away from this machine, and what opens it apart from it. It opens the store of kid %s until the key is rotated; "+
		"'%s' takes it back, and the age program opens it, too.", root.KID(), e.own("auth", "key", "restore", "BACKUP"))
	if e.JSON {
		return writeJSON(e.Out, backupResult{"success", root.KID(), sealed.String()})
	}
	_, err = printable.Raw(e.Out).Write(sealed.Bytes())
	return err
}

func (c *keyBackupCmd) way(e *env) (keys.Way, error) {
	if c.Recipient != "" {
		return keys.RecipientWay(c.Recipient, e.pluginUI())
	}
	passphrase, err := e.newPassphrase(c.PassphraseFile)
	if err != nil {
		return keys.Way{}, err
	}
	return keys.PassphraseWay(passphrase)
}
