package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"filippo.io/age/plugin"
)

// Recipient is what a slot or a backup is encrypted to. It never prints itself,
// as it may hold a passphrase.
type Recipient struct {
	kind      string // the slot's type
	recipient age.Recipient
}

// OfPlugin reports that it is a plugin's recipient.
func (w Recipient) OfPlugin() bool { return strings.HasPrefix(w.kind, typePlugin) }

// String hides what the recipient holds from every fmt verb, and GoString from %#v.
func (w Recipient) String() string { return "slot recipient (" + w.kind + ")" }

// GoString hides what the recipient holds.
func (w Recipient) GoString() string { return w.String() }

// ParseRecipient is an age recipient: "age1…", post-quantum "age1pq1…", or a plugin's,
// "age1NAME1…", whose program age-plugin-NAME runs when something is encrypted to it and
// may then ask through ui. SSH keys are not supported. The error is [ErrFIPS] or says
// what is wrong with the recipient.
func ParseRecipient(text string, ui *PluginUI) (Recipient, error) {
	if err := checkFIPS(); err != nil {
		return Recipient{}, err
	}
	text = strings.TrimSpace(text)
	var r age.Recipient
	var err error
	kind := typeRecipient
	switch {
	case strings.HasPrefix(text, "ssh-"), strings.HasPrefix(text, "ecdsa-"):
		return Recipient{}, errSSH
	case strings.HasPrefix(strings.ToUpper(text), "AGE-"):
		return Recipient{}, errors.New("that is an age identity, which is secret: give its recipient, which begins with age1")
	case strings.HasPrefix(text, "age1pq1"):
		r, err = age.ParseHybridRecipient(text)
	case strings.HasPrefix(text, "age1") && strings.Count(text, "1") > 1: // the data part of Bech32 has no 1
		var p *plugin.Recipient
		talk := &conversation{ui: ui}
		if p, err = plugin.NewRecipient(text, talk.client()); err == nil {
			talk.name = p.Name()
			kind = typePlugin + p.Name()
			r = pluginRecipient{p, talk}
		}
	case strings.HasPrefix(text, "age1"):
		r, err = age.ParseX25519Recipient(text)
	default:
		return Recipient{}, errors.New("not an age recipient: give one, which begins with age1")
	}
	if err != nil { // the cause quotes what was given
		return Recipient{}, errors.New("the age recipient is mistyped or cut short: check it")
	}
	return Recipient{kind, r}, nil
}

// errSSH is for keys that age itself would take: golang.org/x/crypto/ssh, linked in,
// would slow down every lookup.
var errSSH = errors.New("SSH keys are not supported: use an age key, from age-keygen")

// ParseIdentities reads an identity file as age has it: comments, and lines that begin
// with AGE-SECRET-KEY-1, AGE-SECRET-KEY-PQ-1 or AGE-PLUGIN-. The file may itself be
// encrypted with a passphrase; then passphrase is called, and nil means that nobody can
// be asked. Plugins ask through ui once the identity is used. Errors are [ErrFIPS],
// [ErrWrongPassphrase], or say what is wrong and quote nothing.
func ParseIdentities(data []byte, ui *PluginUI, passphrase func() (string, error)) ([]age.Identity, error) {
	if err := checkFIPS(); err != nil {
		return nil, err
	}
	if len(data) > maxAgeFile {
		return nil, fmt.Errorf("the identity file is larger than %d KiB: give another one", maxAgeFile>>10)
	}
	if isAgeFile(data) {
		f, err := readAgeFile(data)
		if err != nil {
			return nil, fmt.Errorf("the identity file: %w", err)
		}
		if !f.passphrase() {
			return nil, errors.New("the identity file is encrypted to another age identity: decrypt it first")
		}
		if data, err = f.openAsking(context.Background(), passphrase); err != nil {
			return nil, fmt.Errorf("the identity file: %w", err)
		}
	}
	if bytes.HasPrefix(data, []byte("-----BEGIN ")) {
		return nil, errSSH
	}
	var ids []age.Identity
	for n, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, err := parseIdentity(line, ui)
		if err != nil { // the cause may quote the line
			return nil, fmt.Errorf("line %d of the identity file is not an age identity: fix or remove it", n+1)
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, errors.New("the identity file holds no identity: give another one, or make it with age-keygen")
	}
	return ids, nil
}

func parseIdentity(line string, ui *PluginUI) (age.Identity, error) {
	switch {
	case strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1"):
		return age.ParseHybridIdentity(line)
	case strings.HasPrefix(line, "AGE-PLUGIN-"):
		talk := &conversation{ui: ui}
		p, err := plugin.NewIdentity(line, talk.client())
		if err != nil {
			return nil, err
		}
		talk.name = p.Name()
		return pluginIdentity{p, talk, nil}, nil
	}
	return age.ParseX25519Identity(line)
}

// ErrWrongPassphrase means that a passphrase did not open what it was asked for.
var ErrWrongPassphrase = errors.New("the passphrase is wrong")

// workFactor is the log2 of scrypt's N for what is written here: about a second, and
// 256 MiB, for each guess. It is what the age program uses.
const workFactor = 18

// PassphraseRecipient is a passphrase, which scrypt turns into a key. It takes about a second
// and 256 MiB when something is encrypted, and says here already when that is not there.
// An empty passphrase is refused. The error may be [ErrFIPS].
func PassphraseRecipient(passphrase string) (Recipient, error) {
	return passphraseRecipient(passphrase, workFactor)
}

func passphraseRecipient(passphrase string, logN int) (Recipient, error) {
	if err := checkFIPS(); err != nil {
		return Recipient{}, err
	}
	if passphrase == "" {
		return Recipient{}, errors.New("the passphrase is empty: give one")
	}
	if err := checkMemory(logN); err != nil {
		return Recipient{}, err
	}
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return Recipient{}, err
	}
	r.SetWorkFactor(logN)
	return Recipient{typePassphrase, r}, nil
}

var errCannotAsk = errors.New("it takes a passphrase, and there is no terminal to ask for it: give it in a file")
