package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
)

const configVersion = 1

// Config says where a store's key comes from and pins the key itself.
type Config struct {
	Version int       `json:"version"` // 1
	Key     KeySource `json:"key"`
	KID     string    `json:"kid"` // 16 hexadecimal digits

	read []byte // as read, for the fields that this version does not know
}

// KeySource names a key source; see package keys.
type KeySource struct {
	Source string `json:"source"` // "file"
}

// SourceFile is the key source that needs no set-up: a file readable by the user alone.
const SourceFile = "file"

// readConfig returns the defaults for a store that has no config yet.
func readConfig(loc Location) (Config, error) {
	path := loc.configFile()
	data, err := readFile(path, sealedFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{Version: configVersion, Key: KeySource{Source: SourceFile}}, nil
	}
	if err != nil {
		return Config{}, err
	}
	c := Config{read: data}
	if err := json.Unmarshal(data, &c); err != nil {
		return Config{}, fmt.Errorf("%s is damaged: %w: restore it, or remove it to have it made again", path, err)
	}
	if c.Version != configVersion {
		return Config{}, fmt.Errorf("%s has version %d: %w; upgrade regshape", path, c.Version, ErrNewer)
	}
	if !isKID(c.KID) || c.Key.Source == "" {
		return Config{}, fmt.Errorf("%s is damaged: it names no key: restore it, or remove it to have it made again", path)
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
