package authfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrYAML means a Kubernetes manifest in YAML, where JSON is read.
var ErrYAML = errors.New("a Kubernetes manifest in YAML; JSON is needed")

// manifest is a Secret of Kubernetes, or a List of them. Source: Kubernetes API, core/v1, and
// the types kubernetes.io/dockerconfigjson and kubernetes.io/dockercfg.
type manifest struct {
	Kind       string
	Metadata   struct{ Name string }
	Data       map[string][]byte // base64 in JSON
	StringData map[string]string
	Items      []manifest
}

// PullSecrets returns the documents in the Secrets of a file that kubectl or `auth export`
// wrote as JSON; none if it is another file. Errors: those of Read, and ErrYAML.
func PullSecrets(path string) ([]*Document, error) {
	data, _, err := readText(path)
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		if isManifest(string(data)) {
			return nil, fmt.Errorf("%s: %w", path, ErrYAML)
		}
		return nil, nil // whoever reads the file reports what is wrong with it
	}
	var documents []*Document
	for _, secret := range append(m.Items, m) {
		if secret.Kind != "Secret" {
			continue
		}
		for _, f := range [...]struct {
			name   string
			format Format
		}{{".dockerconfigjson", Containers}, {".dockercfg", DockercfgFormat}} {
			text := secret.Data[f.name]
			if s, ok := secret.StringData[f.name]; ok { // it wins, as in the API
				text = []byte(s)
			}
			if len(text) == 0 {
				continue
			}
			d, err := Parse(fmt.Sprintf("%s, Secret %q, %s", path, secret.Metadata.Name, f.name), text, f.format)
			if err != nil {
				return nil, err
			}
			documents = append(documents, d)
		}
	}
	return documents, nil
}

// isManifest recognizes the two lines that every manifest has.
func isManifest(text string) bool {
	found := map[string]bool{}
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, ":")
		found[strings.TrimSpace(name)] = true
	}
	return found["apiVersion"] && found["kind"]
}
