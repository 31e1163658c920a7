package account

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/printable"
)

// The formats of export.
const (
	formatDocker     = "dockerconfigjson"
	formatKubernetes = "kubernetes"
	formatContainers = "auth.json"
)

// Export prints a stored login for a cluster or another machine.
type Export struct {
	app.RegistryArg
	Format    string `required:"" enum:"dockerconfigjson,kubernetes,auth.json" placeholder:"FORMAT" help:"dockerconfigjson (docker's config.json), kubernetes (a Secret for 'kubectl apply -f -'), or auth.json (podman, skopeo, buildah)."`
	Name      string `placeholder:"NAME" help:"Name of the Kubernetes Secret; else it is made from the registry."`
	Namespace string `placeholder:"NS" help:"Namespace of the Kubernetes Secret; else kubectl decides."`
}

// Run prints the stored login of a registry for another machine. It is not encrypted then.
func (c *Export) Run(e *app.Env) error {
	address, err := c.Target("export")
	if err != nil {
		return err
	}
	name := address.Bare().Name()
	var text []byte
	var cred store.Credential
	s, err := e.OpenStore()
	if err == nil {
		cred, err = app.Logins(e, s).Get(e.Ctx, address.Bare())
	}
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("regshape's store has no login for %s: run '%s'", name, e.Own("auth", "login", name))
	}
	if err == nil {
		text, err = c.render(cred)
	}
	if err != nil {
		return &app.StoreError{Registry: name, Doing: "export credentials", Err: err}
	}
	c.warn(e, cred)
	_, err = printable.Raw(e.Out).Write(printable.EscapeJSON(text))
	return err
}

// Manual is the text of --help and of the man page.
func (*Export) Manual() app.Manual {
	return app.Manual{Failed: "there is no such login", Examples: [][2]string{
		{"regshape auth export ghcr.io --format kubernetes | kubectl apply -f -", "as a Kubernetes Secret"},
		{"regshape auth export ghcr.io --format auth.json", "for podman on another machine"},
	}}
}

// Validate refuses names that Kubernetes would refuse, and names for another format.
func (c *Export) Validate() error {
	switch {
	case c.Format != formatKubernetes && c.Name+c.Namespace != "":
		return &app.UsageError{Message: "--name and --namespace are for --format kubernetes", Hint: "leave them out, or give that format"}
	case c.Name != "" && !isSubdomain(c.Name):
		return &app.UsageError{
			Message: "--name is not a valid name of a Kubernetes Secret",
			Hint:    "give lower-case letters, digits, '-' and '.', with a letter or digit at both ends of each part, 253 characters at most",
		}
	case c.Namespace != "" && !isLabel(c.Namespace, maxLabel):
		return &app.UsageError{
			Message: "--namespace is not a valid name of a Kubernetes namespace",
			Hint:    "give lower-case letters, digits and '-', with a letter or digit at both ends, 63 characters at most",
		}
	}
	return nil
}

// warn says what whoever uses the export should know.
func (c *Export) warn(e *app.Env, cred store.Credential) {
	if terminal.IsTerminal(e.Out) {
		e.Warn("the secret is shown here, not encrypted.")
	}
	if !cred.Expires.IsZero() {
		e.Warn("this login is kept only until %s; what is exported does not know that.", terminal.Clock(cred.Expires))
	}
	if cred.Kind == store.KindDevice {
		e.Warn("this is the access token of a device login; it expires by itself and is not renewed where it goes.")
	}
	if c.Format == formatDocker && cred.Address().Scope() != "" {
		e.Warn("docker does not ask for logins of a namespace; podman and Kubernetes do.")
	}
}

// dockerAuth is what docker writes and kubectl reads: type kubernetes.io/dockerconfigjson
// has username and password beside auth, as 'kubectl create secret docker-registry' writes
// them. Beside an identity token auth has no password, as docker writes it.
type dockerAuth struct {
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	Auth          string `json:"auth"` // base64 of "username:password" (RFC 7617 section 2)
	IdentityToken string `json:"identitytoken,omitempty"`
}

// kubernetesSecret is a v1 Secret. kubectl takes JSON wherever it takes YAML.
type kubernetesSecret struct {
	APIVersion string             `json:"apiVersion"`
	Kind       string             `json:"kind"`
	Metadata   kubernetesMetadata `json:"metadata"`
	Type       string             `json:"type"`
	Data       map[string][]byte  `json:"data"` // base64 in JSON
}

type kubernetesMetadata struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
}

// render writes a login in the format asked for. The errors are those of
// [authfile.Document.SetAuth], and a login that the receiver could not use.
func (c *Export) render(cred store.Credential) ([]byte, error) {
	address := cred.For() // which a pattern may have answered for
	key, token := address.Bare().String(), cred.Kind == store.KindIdentityToken
	if c.Format == formatContainers {
		key = lookup.KeyIn(authfile.Containers, key)
	}
	// It refuses what base64 of "user:password" cannot hold.
	file, err := authfile.Parse(c.Format, nil, authfile.Containers)
	if err != nil {
		return nil, err
	}
	file.SetAuth(key, cred.Username, cred.Secret, token)
	if err := file.Err(); err != nil {
		for _, sentinel := range []error{authfile.ErrUserName, authfile.ErrSecret} {
			if errors.Is(err, sentinel) {
				return nil, sentinel // without the name of a file, as there is none
			}
		}
		return nil, err
	}
	if c.Format == formatContainers {
		return append(bytes.TrimRight(file.Bytes(), "\n"), '\n'), nil
	}
	auth := dockerAuth{Username: cred.Username, Password: cred.Secret}
	if token {
		auth.Password, auth.IdentityToken = "", cred.Secret
	}
	auth.Auth = base64.StdEncoding.EncodeToString([]byte(auth.Username + ":" + auth.Password))
	if token {
		auth.Username = "" // it is not the name of a user
	}
	config, err := pretty(map[string]map[string]dockerAuth{"auths": {key: auth}})
	if err != nil || c.Format == formatDocker {
		return config, err
	}
	if token {
		return nil, errors.New("kubernetes cannot use an identity token; log in with a password or an access token")
	}
	return pretty(kubernetesSecret{
		APIVersion: "v1", Kind: "Secret",
		Metadata: kubernetesMetadata{cmp.Or(c.Name, secretName(address.Name())), c.Namespace},
		Type:     "kubernetes.io/dockerconfigjson",
		Data:     map[string][]byte{".dockerconfigjson": config},
	})
}

func pretty(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("encode the export: %w", err)
	}
	return b.Bytes(), nil
}

// Lengths of names, RFC 1123 section 2.1 as Kubernetes has it (Object Names and IDs).
const (
	maxSubdomain = 253
	maxLabel     = 63
)

const labelRunes = "abcdefghijklmnopqrstuvwxyz0123456789-"

// secretName makes a name for a Secret: "localhost:5000/team" gives "localhost-5000-team".
func secretName(registry string) string {
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(labelRunes, r) {
			return r
		}
		return '-'
	}, strings.ToLower(registry))
	name = strings.Trim(name, "-")
	return cmp.Or(strings.TrimRight(name[:min(len(name), maxSubdomain)], "-"), "registry")
}

func isSubdomain(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		if !isLabel(part, maxSubdomain) {
			return false
		}
	}
	return len(name) <= maxSubdomain
}

func isLabel(s string, longest int) bool {
	return s != "" && len(s) <= longest && strings.Trim(s, labelRunes) == "" && strings.Trim(s, "-") == s
}
