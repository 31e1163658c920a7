// Age-plugin-regshapetest is an age plugin for the tests. Its recipients and identities
// hold a mode, one word, and it wraps a file key without any secrecy.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/plugin"
)

const name = "regshapetest"

// device is recipient and identity in one.
type device struct {
	plugin *plugin.Plugin
	mode   string
}

func (d device) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	if err := d.behave(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(fileKey)
	return []*age.Stanza{{Type: name, Args: []string{hex.EncodeToString(sum[:4])}, Body: fileKey}}, nil
}

func (d device) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if err := d.behave(); err != nil {
		return nil, err
	}
	for _, s := range stanzas {
		if s.Type == name {
			return s.Body, nil
		}
	}
	return nil, age.ErrIncorrectIdentity
}

func (d device) behave() error {
	switch d.mode {
	case "pin":
		pin, err := d.plugin.RequestValue("PIN\x1b[31m of the device", true)
		if err != nil {
			return err
		}
		if pin != "pin-1234" {
			return errors.New("wrong PIN\x07")
		}
		if err := d.plugin.DisplayMessage("touch the device"); err != nil {
			return err
		}
		if yes, err := d.plugin.Confirm("really", "yes", "no"); err != nil || !yes {
			return errors.New("not confirmed")
		}
	case "environment":
		for _, kv := range os.Environ() {
			for _, secret := range []string{"REGSHAPE_PASSWORD=", "DOCKER_AUTH_CONFIG=", "AGEDEBUG="} {
				if strings.HasPrefix(kv, secret) {
					return fmt.Errorf("the environment holds %s", secret)
				}
			}
		}
		if os.Getenv("REGSHAPE_TEST_KEPT") != "yes" {
			return errors.New("the environment lacks what others set")
		}
	case "hang":
		_, _ = io.Copy(io.Discard, os.Stdin) // until the other side has ended
	case "crash":
		os.Exit(3)
	case "fail":
		return errors.New("AGE-SECRET-KEY-1CANARY is in my error")
	case "other":
		return age.ErrIncorrectIdentity
	}
	return nil
}

func main() {
	p, err := plugin.New(name)
	if err != nil {
		panic(err)
	}
	p.HandleRecipient(func(data []byte) (age.Recipient, error) { return device{p, string(data)}, nil })
	p.HandleIdentity(func(data []byte) (age.Identity, error) { return device{p, string(data)}, nil })
	os.Exit(p.Main())
}
