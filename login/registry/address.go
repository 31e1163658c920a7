package registry

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"regshape/store/printable"
)

var errAddress = errors.New("not a registry address: want HOST or HOST:PORT")

// hubAPI is the host of Docker Hub's registry API; its other names serve other things, or
// redirect.
const hubAPI = "registry-1.docker.io"

// apiHost gives the host[:port] to connect to for a registry address as a caller
// types it, and whether it is localhost or a literal loopback address. It fails
// with errAddress, which does not repeat the input.
func apiHost(addr string) (hostport string, loopback bool, err error) {
	addr = strings.ToLower(addr)
	if strings.Count(addr, ":") > 1 && !strings.HasPrefix(addr, "[") {
		addr = "[" + addr + "]"
	}
	if strings.ContainsFunc(addr, func(r rune) bool { return r <= ' ' || strings.ContainsRune(`/\@?#%`, r) }) {
		return "", false, errAddress
	}
	u, err := url.Parse("//" + addr)
	if err != nil || u.Host != addr || u.Hostname() == "" {
		return "", false, errAddress
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", false, errAddress
		}
	} else if strings.HasSuffix(addr, ":") {
		return "", false, errAddress
	}
	switch strings.TrimSuffix(addr, ":443") {
	case "docker.io", "index.docker.io", hubAPI, "registry.hub.docker.com":
		return hubAPI, false, nil
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return addr, u.Hostname() == "localhost" || err == nil && ip.Unmap().IsLoopback(), nil
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

// Loopback reports whether host, "host" or "host:port", is localhost or a literal
// loopback address, where plain http is allowed unasked.
func Loopback(host string) bool {
	_, loopback, err := apiHost(host)
	return err == nil && loopback
}
