package login

import (
	"errors"
	"fmt"

	"regshape/store"
	"regshape/store/printable"
)

// The formats of export.
const (
	formatDocker     = "dockerconfigjson"
	formatKubernetes = "kubernetes"
	formatContainers = "auth.json"
)

type exportCmd struct {
	registryArg
	Format    string `required:"" enum:"dockerconfigjson,kubernetes,auth.json" placeholder:"FORMAT" help:"dockerconfigjson (docker's config.json), kubernetes (a Secret for 'kubectl apply -f -'), or auth.json (podman, skopeo, buildah)."`
	Name      string `placeholder:"NAME" help:"Name of the Kubernetes Secret; else it is made from the registry."`
	Namespace string `placeholder:"NS" help:"Namespace of the Kubernetes Secret; else kubectl decides."`
}

// Run prints the stored login of a registry for another machine. It is not encrypted then.
func (c *exportCmd) Run(e *env) error {
	address, err := c.target("export")
	if err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	address = store.ParseAddress(serverURL(address))
	name := shown(address)
	s, err := e.openStore()
	if err != nil {
		return &storeError{name, "export credentials", err}
	}
	cred, err := s.Get(e.ctx, address)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("regshape's store has no login for %s: run '%s'", name, e.own("auth", "login", name))
	}
	if err != nil {
		return &storeError{name, "export credentials", err}
	}
	text, err := c.render(cred)
	if err != nil {
		return &storeError{name, "export credentials", err}
	}
	c.caution(e, cred)
	_, err = printable.Raw(e.Out).Write(printable.EscapeJSON(text))
	return err
}

// check refuses names that Kubernetes would refuse, and names for another format.
func (c *exportCmd) check() error {
	switch {
	case c.Format != formatKubernetes && c.Name+c.Namespace != "":
		return &usageError{"--name and --namespace are for --format kubernetes", "leave them out, or give that format"}
	case c.Name != "" && !isSubdomain(c.Name):
		return &usageError{
			"--name is no name for a Kubernetes Secret",
			"give lower-case letters, digits, '-' and '.', with a letter or digit at both ends of each part, 253 characters at most",
		}
	case c.Namespace != "" && !isLabel(c.Namespace):
		return &usageError{
			"--namespace is no name for a Kubernetes namespace",
			"give lower-case letters, digits and '-', with a letter or digit at both ends, 63 characters at most",
		}
	}
	return nil
}

// caution says what whoever uses the export should know.
func (c *exportCmd) caution(e *env, cred store.Credential) {
	if isTerminal(e.Out) {
		e.warn("the secret is shown here, not encrypted.")
	}
	if !cred.Expires.IsZero() {
		e.warn("this login is kept only until %s; what is exported does not know that.", clock(cred.Expires))
	}
	if cred.Kind == store.KindDevice {
		e.warn("this is the access token of a device login; it ends by itself and is not renewed where it goes.")
	}
	if c.Format == formatDocker && store.ParseAddress(cred.ServerURL).Scope() != "" {
		e.warn("docker does not ask for logins of a namespace; podman and Kubernetes do.")
	}
}
