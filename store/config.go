package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"regshape/store/durable"
)

const configVersion = 1

// Config says where a store's key comes from and pins the key itself. Replacing it is
// what makes a change of either happen, see [Store.Rotate].
type Config struct {
	Version  int       `json:"version"` // 1
	Key      KeySource `json:"key"`
	KID      string    `json:"kid"` // 16 hexadecimal digits
	Previous *Pin      `json:"previous,omitempty"`
	Proof    string    `json:"proof,omitempty"` // the key's word about the previous one, see [RootKey.vouch]

	read []byte // as read, for the fields that this version does not know; nil without a file
}

// Pin is the key that a config named before the current one. It may still have to be cleared
// away: the run that should have done so may have been killed.
type Pin struct {
	Key   KeySource `json:"key"`
	KID   string    `json:"kid"`
	Proof string    `json:"proof,omitempty"` // see [RootKey.vouch]: this key about the one that replaced it
}

func (c Config) pin() Pin { return Pin{Key: c.Key, KID: c.KID} }

// sameFile reports whether two pins share a file: one key in one place, or in slots, whatever
// opens those.
func (p Pin) sameFile(o Pin) bool {
	slots := p.Key.Source == SourceSlots && o.Key.Source == SourceSlots
	return p.KID == o.KID && (slots || p.Key.Equal(o.Key))
}

// KeySource names a place that holds a key, and what it takes to find it there; see
// package keys.
type KeySource struct {
	Source    string   `json:"source"`              // one of the Source constants
	Recipient string   `json:"recipient,omitempty"` // slots: the store's own age recipient
	Command   []string `json:"command,omitempty"`   // command: the program, by its absolute path, and its arguments
}

// Key sources.
const (
	SourceFile        = "file"        // a file readable by the user alone
	SourceSlots       = "slots"       // age files that a passphrase or an age identity opens
	SourceKeyring     = "keyring"     // the keyring of the operating system
	SourceCommand     = "command"     // what a program prints
	SourceEnvironment = "environment" // the file that REGSHAPE_KEY_FILE names
)

// Equal reports whether two sources are the same place.
func (s KeySource) Equal(o KeySource) bool {
	return s.Source == o.Source && s.Recipient == o.Recipient && slices.Equal(s.Command, o.Command)
}

// elsewhere reports whether only the user can put a key into this place.
func (s KeySource) elsewhere() bool {
	return s.Source == SourceCommand || s.Source == SourceEnvironment
}

// inFile reports whether a lookup finds the key in a file.
func (s KeySource) inFile() bool {
	return s.Source == SourceFile || s.Source == SourceEnvironment
}

// readConfig returns the config, without kid and source for a store that has none yet.
func readConfig(loc Location) (Config, error) {
	path := loc.configFile()
	data, err := durable.ReadFile(path, durable.Sealed)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{Version: configVersion}, nil
	}
	if err != nil {
		return Config{}, err
	}
	return parseConfig(path, data)
}

func parseConfig(path string, data []byte) (Config, error) {
	c := Config{read: data}
	if err := json.Unmarshal(data, &c); err != nil {
		return Config{}, fmt.Errorf("%w: %s: %w", ErrConfigDamaged, path, err)
	}
	if c.Version > configVersion {
		return Config{}, fmt.Errorf("%s has version %d: %w", path, c.Version, ErrNewer)
	}
	if c.Version < configVersion || !isKID(c.KID) || c.Key.Source == "" || c.Previous != nil && !isKID(c.Previous.KID) {
		return Config{}, fmt.Errorf("%w: %s names no key", ErrConfigDamaged, path)
	}
	return c, nil
}

// marshal returns the file's content.
func (c Config) marshal() ([]byte, error) {
	data, err := json.Marshal(c)
	if err == nil && c.read != nil {
		data, err = mergeUnknown[Config](c.read, data)
	}
	if err != nil {
		return nil, fmt.Errorf("encode config: %w", err)
	}
	return append(data, '\n'), nil
}
