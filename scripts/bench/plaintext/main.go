// Command plaintext speaks the helper protocol over a config.json without encryption. It
// does what docker does where no helper is set: each answer reads and decodes the whole
// file, and each change writes all of it anew, with a rename but not synced to the disk.
// It is a yardstick of the benchmark and for nothing else.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

type configFile struct {
	Auths map[string]auth `json:"auths"`
}

type auth struct {
	Auth string `json:"auth"` // base64 of user:password

	user, secret string
}

type credential struct{ ServerURL, Username, Secret string }

func main() {
	if err := run(os.Args[1:], filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), os.Stdin, os.Stdout); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func run(args []string, path string, in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("want one of get, store, erase and list")
	}
	config, err := load(path)
	if err != nil {
		return err
	}
	if args[0] == "list" {
		users := map[string]string{}
		for address, a := range config.Auths {
			users[address] = a.user
		}
		return json.NewEncoder(out).Encode(users)
	}
	input, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	address := strings.TrimSpace(string(input))
	switch args[0] {
	case "get":
		a, found := config.Auths[address]
		if !found {
			return fmt.Errorf("credentials not found in native keychain")
		}
		return json.NewEncoder(out).Encode(credential{address, a.user, a.secret})
	case "store":
		var c credential
		if err := json.Unmarshal(input, &c); err != nil {
			return fmt.Errorf("the input is no credential")
		}
		config.Auths[c.ServerURL] = auth{user: c.Username, secret: c.Secret}
	case "erase":
		delete(config.Auths, address)
	default:
		return fmt.Errorf("want one of get, store, erase and list")
	}
	return config.save(path)
}

func load(path string) (configFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return configFile{}, err
	}
	defer f.Close()
	var config configFile
	if err := json.NewDecoder(f).Decode(&config); err != nil {
		return configFile{}, err
	}
	for address, a := range config.Auths {
		pair, err := base64.StdEncoding.DecodeString(a.Auth)
		if err != nil {
			return configFile{}, fmt.Errorf("%s: the entry of %s is no base64", path, address)
		}
		a.user, a.secret, _ = strings.Cut(string(pair), ":")
		config.Auths[address] = a
	}
	return config, nil
}

func (c configFile) save(path string) error {
	for address, a := range c.Auths {
		a.Auth = base64.StdEncoding.EncodeToString([]byte(a.user + ":" + a.secret))
		c.Auths[address] = a
	}
	data, err := json.MarshalIndent(c, "", "\t")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path))
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.Write(data)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
