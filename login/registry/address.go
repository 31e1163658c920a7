package registry

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"regshape/store"
	"regshape/store/printable"
)

var errAddress = errors.New("not a registry address: give HOST or HOST:PORT")

// hubAPI is the host of Docker Hub's registry API; its other names serve other things, or
// redirect.
const hubAPI = "registry-1.docker.io"

// endpoint returns the host[:port] of a registry's API. It fails with errAddress, which does
// not repeat the input.
func endpoint(a store.Address) (hostport string, err error) {
	switch {
	case a.Opaque():
		return "", errAddress
	case a.Bare().Registry().Hub():
		return hubAPI, nil
	}
	return a.Host(), nil
}

// httpURL is the http or https URL in a text, or nil.
func httpURL(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return nil
	}
	return u
}

// sameOrigin compares scheme, host and port (RFC 6454 §5), default ports filled in.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	default:
		return "443"
	}
}

// origin is the address of u as a message shows it.
func origin(u *url.URL) string { return printable.Line(u.Scheme+"://"+u.Host, 200) }

func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// Loopback reports whether the host of an address is localhost or a literal loopback
// address, where plain http is the default.
func Loopback(a store.Address) bool { return loopback(a.Host()) }

func loopback(hostport string) bool {
	name := (&url.URL{Host: hostport}).Hostname()
	ip, err := netip.ParseAddr(name)
	return strings.EqualFold(name, "localhost") || err == nil && ip.Unmap().IsLoopback()
}
