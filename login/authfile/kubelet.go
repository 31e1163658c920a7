package authfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"path"
	"slices"
	"strings"

	"github.com/tailscale/hujson"
)

// The version and kind of the kubelet's configuration of image credential providers
// (https://kubernetes.io/docs/reference/config-api/kubelet-config.v1/).
const (
	kubeletVersion = "kubelet.config.k8s.io/v1"
	kubeletKind    = "CredentialProviderConfig"
)

// ErrNoProviders means a file that is not the kubelet's configuration of credential providers.
var ErrNoProviders = errors.New("not a CredentialProviderConfig of the kubelet")

// Provider is one program that the kubelet asks for the credentials of images.
type Provider struct {
	Name                 string     `json:"name"`
	MatchImages          []string   `json:"matchImages"`
	DefaultCacheDuration string     `json:"defaultCacheDuration"` // counts only without one in the answer
	APIVersion           string     `json:"apiVersion"`
	Env                  []Variable `json:"env"`
}

// Variable is added to the kubelet's own environment for a provider.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// NewProviders is the text of a file with one provider.
func NewProviders(p Provider) ([]byte, error) {
	text, err := json.MarshalIndent(struct {
		APIVersion string     `json:"apiVersion"`
		Kind       string     `json:"kind"`
		Providers  []Provider `json:"providers"`
	}{kubeletVersion, kubeletKind, []Provider{p}}, "", "  ")
	return append(text, '\n'), err
}

// Matches reports whether the kubelet asks the provider for images of a registry: ports are
// equal, and each label of the host matches one of a pattern.
func (p Provider) Matches(host string) bool {
	labels, port := splitHost(host)
	return slices.ContainsFunc(p.MatchImages, func(pattern string) bool {
		pattern, below, _ := strings.Cut(pattern, "/")
		globs, globPort := splitHost(pattern)
		if below != "" || globPort != port || len(globs) != len(labels) {
			return false
		}
		for i, glob := range globs {
			if ok, err := path.Match(glob, labels[i]); !ok || err != nil {
				return false
			}
		}
		return true
	})
}

func splitHost(host string) (labels []string, port string) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name = host // it has no port
	}
	return strings.Split(name, "."), port
}

// providers returns the list of the kubelet's providers.
func (d *Document) providers() (*hujson.Array, error) {
	kind, list := "", (*hujson.Array)(nil)
	if i, n := findExact(d.root, "kind"); n == 1 {
		lit, _ := d.root.Members[i].Value.Value.(hujson.Literal)
		kind = lit.String()
	}
	if i, n := findExact(d.root, "providers"); n == 1 {
		list, _ = d.root.Members[i].Value.Value.(*hujson.Array)
	}
	if kind != kubeletKind || list == nil {
		return nil, ErrNoProviders
	}
	return list, nil
}

// Providers returns the entries of one name, as JSON on one line, and the number of all.
func (d *Document) Providers(name string) (named []string, all int, err error) {
	list, err := d.providers()
	if err != nil {
		return nil, 0, err
	}
	for i := range list.Elements {
		if providerName(list.Elements[i]) == name {
			v := hujson.Value{Value: list.Elements[i].Value}
			v = v.Clone()
			v.Minimize()
			named = append(named, string(v.Pack()))
		}
	}
	return named, len(list.Elements), nil
}

func providerName(v hujson.Value) string {
	o, _ := v.Value.(*hujson.Object)
	i, _ := findExact(o, "name")
	if i < 0 {
		return ""
	}
	lit, _ := o.Members[i].Value.Value.(hujson.Literal)
	return lit.String()
}

// SetProvider puts an entry, as JSON, in place of the one of that name or at the end; "" takes
// it out. Err tells of a refusal.
func (d *Document) SetProvider(name, text string) {
	list, err := d.providers()
	if d.err != nil || err != nil {
		d.refuse("providers", err)
		return
	}
	at := -1
	for i := range list.Elements {
		if providerName(list.Elements[i]) != name {
			continue
		}
		if at >= 0 {
			d.refuse(name, ErrDuplicate)
			return
		}
		at = i
	}
	n := len(list.Elements)
	switch {
	case text == "" && at < 0:
		return
	case text == "":
		cutElement(list, at)
		return
	case at < 0:
		at = n
		list.Elements = append(list.Elements, hujson.Value{})
		if n > 0 {
			list.Elements[n].BeforeExtra = lineStart(list.Elements[n-1].BeforeExtra)
		}
	}
	if _, margin, lines := bytes.Cut(lineStart(list.Elements[at].BeforeExtra), []byte("\n")); lines {
		var indented bytes.Buffer
		if err := json.Indent(&indented, []byte(text), string(margin), string(d.indent())); err == nil {
			text = indented.String()
		}
	}
	v, err := hujson.Parse([]byte(text))
	if err != nil {
		d.refuse(name, ErrEntry)
		return
	}
	list.Elements[at].Value = v.Value
}

// cutElement is cut for a list.
func cutElement(list *hujson.Array, i int) {
	switch n := len(list.Elements); {
	case n == 1:
	case i == 0:
		list.Elements[1].BeforeExtra = list.Elements[0].BeforeExtra
	case i == n-1:
		list.Elements[n-2].AfterExtra = nil
	}
	list.Elements = slices.Delete(list.Elements, i, i+1)
}
