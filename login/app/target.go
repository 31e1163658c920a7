package app

import (
	"fmt"
	"strings"

	"regshape/store"
	"regshape/store/printable"
)

// RegistryArg is a REGISTRY, as an argument or with -r.
type RegistryArg struct {
	Argument string `arg:"" optional:"" name:"registry" help:"Registry: HOST, HOST:PORT, or HOST/NAMESPACE for a login of that namespace."`
	Flag     string `name:"registry" short:"r" placeholder:"REGISTRY" help:"The registry, for scripts; the same as the argument."`
}

// Spelling returns what the user wrote. Both forms may be given if they mean the same.
func (a RegistryArg) Spelling(command string) (string, error) {
	switch {
	case a.Argument == "" && a.Flag == "":
		return "", &UsageError{"no registry given", fmt.Sprintf("for Docker Hub: regshape auth %s docker.io", command)}
	case a.Argument == "":
		return a.Flag, nil
	case a.Flag == "" || store.ParseAddress(a.Argument).String() == store.ParseAddress(a.Flag).String():
		return a.Argument, nil
	}
	return "", &UsageError{"the argument and --registry name different registries", "give one of them"}
}

// Target parses the registry of a login: a host, or a namespace of one. It refuses an
// image name, for which docker and podman would look under the host.
func (a RegistryArg) Target(command string) (store.Address, error) {
	spelling, err := a.Spelling(command)
	if err != nil {
		return store.Address{}, err
	}
	address := store.ParseAddress(spelling)
	if !address.Opaque() {
		return address, nil
	}
	if printable.HasUserinfo(spelling) {
		return store.Address{}, &UsageError{
			"a registry address has no user name or password in it",
			fmt.Sprintf("run 'regshape auth %s HOST', and give the user name with -u", command),
		}
	}
	if host, ok := HostOfImage(spelling); ok {
		return store.Address{}, &UsageError{
			fmt.Sprintf("%s is an image, not a registry", printable.Line(store.WithoutTransport(spelling), 120)),
			fmt.Sprintf("run 'regshape auth %s %s'", command, host),
		}
	}
	return store.Address{}, &UsageError{
		fmt.Sprintf("invalid registry address %q", printable.Line(spelling, 120)),
		fmt.Sprintf("give HOST or HOST:PORT; for Docker Hub: regshape auth %s docker.io", command),
	}
}

// HostOfImage finds the registry in "host/ns/app:tag", "host/app@sha256:…" and "app:tag".
// A first part without dot, port or the name localhost is Docker Hub's, as for docker.
func HostOfImage(spelling string) (host string, ok bool) {
	first, rest, nested := strings.Cut(store.WithoutTransport(strings.TrimSpace(spelling)), "/")
	if !nested {
		name, _, tagged := strings.Cut(first, ":")
		image := tagged && !store.ParseAddress(name).Opaque() && !strings.Contains(name, ".")
		return store.HubHost, image
	}
	name, _, _ := strings.Cut(rest, "@")
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		name = name[:i]
	}
	image := store.ParseAddress(first + "/" + name)
	if name == rest || image.Opaque() {
		return "", false
	}
	if !strings.ContainsAny(first, ".:") && first != "localhost" {
		return store.HubHost, true
	}
	return image.Registry().Host(), true
}
