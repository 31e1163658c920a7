package lookup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"regshape/login/authfile"
	"regshape/store"
	"regshape/store/durable"
)

// ProviderProgram is the program that the kubelet asks, and the provider's name in its
// configuration. A "-NAME" behind it picks the profile NAME.
const ProviderProgram = "regshape-credential-provider"

// Node is what setup --kubelet has made.
type Node struct {
	Program  string            `json:"program"`           // what the kubelet starts
	Sum      string            `json:"sum,omitempty"`     // hexadecimal SHA-256 of it, if setup copied it
	Dirs     []string          `json:"folders,omitempty"` // that setup created for it, outermost first
	Config   string            `json:"config"`            // the kubelet's file, or its directory
	Provider authfile.Provider `json:"provider"`          // the entry for regshape in it
}

// File is the file that has the provider.
func (n Node) File() string {
	if info, err := os.Stat(n.Config); err == nil && info.IsDir() {
		return filepath.Join(n.Config, "regshape.json")
	}
	return n.Config
}

// SetupFile is where setup records what it has changed.
func SetupFile(loc store.Location) string { return filepath.Join(loc.Config, "setup.json") }

// ReadNode returns what setup --kubelet has recorded, nil if it has not run.
func ReadNode(loc store.Location) (*Node, error) {
	data, err := durable.ReadSecret(SetupFile(loc))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var r struct {
		Node *Node `json:"kubelet"`
	}
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		return nil, fmt.Errorf("read what setup changed: %w", err)
	}
	return r.Node, nil
}

// KubeletHost is the host, or pattern of hosts, whose images a login is for, as the kubelet
// matches it; "" for a login that it does not use.
func KubeletHost(c store.Credential) string {
	address := c.Address()
	switch {
	case c.IsPattern():
		return address.String()
	case address.Opaque(), address.PlainHTTP(), c.Kind == store.KindIdentityToken:
		return ""
	}
	return address.Host()
}
