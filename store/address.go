package store

import (
	"net/netip"
	"strconv"
	"strings"

	"regshape/store/printable"
)

// HubAddress is the canonical address of Docker Hub, the spelling that the docker
// CLI uses and that lists show.
const HubAddress = "https://index.docker.io/v1/"

// HubHost is the name under which Docker Hub's scopes are filed: "docker.io/library/x".
const HubHost = "docker.io"

// maxScopes is how many addresses one request may try: its own and shorter scopes
// of it. Registries nest a handful of levels; the bound keeps a hostile request cheap.
const maxScopes = 16

// Address is a registry address in canonical form: Docker Hub, a host, a scope of
// either (a path below it), or an opaque key that is matched to the letter.
type Address struct {
	canonical string
	host      string   // "ghcr.io", "localhost:5000", "[::1]:5000"; "docker.io" for Docker Hub; "" when opaque
	path      []string // the scope's segments, none for a whole registry
	plain     bool     // the caller said http://
}

// ParseAddress brings any spelling of a registry address to its canonical form. It
// never fails: what does not parse as a registry address becomes an opaque key.
//
// White space around the address and line breaks within it are dropped, as the
// helper protocol's reader drops them (docker-credential-helpers v0.9.13).
func ParseAddress(s string) Address {
	if strings.ContainsAny(s, "\r\n") { // a Replacer is 6 KiB, and hardly ever needed
		s = strings.NewReplacer("\n", "", "\r", "").Replace(s)
	}
	s = strings.TrimSpace(s)
	opaque := Address{canonical: s}
	rest := WithoutTransport(s)
	var a Address
	if after, cut := cutPrefixFold(rest, "http://"); cut {
		a.plain, rest = true, after
	} else {
		rest, _ = cutPrefixFold(rest, "https://")
	}
	authority, path, _ := strings.Cut(rest, "/")
	host, ok := canonicalHost(authority, a.plain)
	if !ok {
		return opaque
	}
	a.host = host
	if path = strings.TrimRight(path, "/"); path != "" {
		a.path = strings.Split(path, "/")
	}
	for _, segment := range a.path {
		if !isSegment(segment) {
			return opaque
		}
	}
	hub := !a.plain && isHubHost(host)
	if hub && isHubToken(a.path) {
		return opaque
	}
	if hub {
		a.host = HubHost
	}
	// The API's root is no scope. On Docker Hub, whose own key ends in it, it may also
	// stand in front of a path; elsewhere "v2" may be somebody's namespace.
	for len(a.path) > 0 && isAPIRoot(a.path[0]) && (hub || len(a.path) == 1) {
		a.path = a.path[1:]
	}
	a.canonical = a.spell(len(a.path))
	return a
}

// WithoutTransport cuts what podman, skopeo, oras and helm write in front of an image or a chart:
// docker://, oras:// and oci://, however cased.
func WithoutTransport(s string) string {
	for {
		after, cut := cutPrefixFold(s, "docker://", "oras://", "oci://")
		if !cut {
			return s
		}
		s = after
	}
}

// String returns the canonical form. It parses to the same address again.
func (a Address) String() string { return a.canonical }

// Name is how messages and JSON name the address: without Docker Hub's URL, and safe for a
// terminal.
func (a Address) Name() string {
	if a.Hub() {
		return HubHost
	}
	return printable.Line(printable.Address(a.canonical), 300)
}

// Bare returns the address without http://. The files of other tools spell a registry with
// or without a scheme and mean the same; clients ask helpers for the bare one.
func (a Address) Bare() Address {
	if !a.plain {
		return a
	}
	return ParseAddress(a.host + "/" + a.Scope())
}

// Address is the address that the credential was stored for.
func (c Credential) Address() Address { return ParseAddress(c.ServerURL) }

// Opaque reports whether the address is a key matched to the letter, with no host.
func (a Address) Opaque() bool { return a.host == "" }

// Hub reports whether the address is Docker Hub itself, not a scope of it.
func (a Address) Hub() bool { return a.host == HubHost && !a.plain && len(a.path) == 0 }

// Host returns "host" or "host:port", "docker.io" for Docker Hub, "" for an opaque key.
func (a Address) Host() string { return a.host }

// Scope returns the path below the host, "ns/repo", or "".
func (a Address) Scope() string { return strings.Join(a.path, "/") }

// PlainHTTP reports whether the caller said http://, which is an address of its own.
func (a Address) PlainHTTP() bool { return a.plain }

// Registry returns the address of the whole registry that a scope belongs to.
func (a Address) Registry() Address {
	if a.Opaque() {
		return a
	}
	a.path = nil
	a.canonical = a.spell(0)
	return a
}

// HubTokens returns the addresses that docker's web login uses beside Docker Hub's
// own, in all spellings seen. They are other credentials, never answered for it.
func HubTokens() []Address {
	var tokens []Address
	for _, token := range []string{"access-token", "refresh-token"} {
		tokens = append(tokens, ParseAddress(HubAddress+token), ParseAddress(HubAddress+"/"+token))
	}
	return tokens
}

// Lookups returns the addresses that may answer a request for a, the longest scope
// first: a itself and at most 15 shorter scopes. The bare host never answers for a
// scope: callers that want it ask for it themselves.
func (a Address) Lookups() []Address {
	addresses := []Address{a}
	for n := len(a.path) - 1; n > 0 && len(addresses) < maxScopes; n-- {
		if n == 1 && isAPIRoot(a.path[0]) {
			break // "host/v2" is the host's own address
		}
		shorter := a
		shorter.path, shorter.canonical = a.path[:n], a.spell(n)
		addresses = append(addresses, shorter)
	}
	return addresses
}

// spell writes the canonical form with the first n segments of the path.
func (a Address) spell(n int) string {
	switch {
	case n == 0 && a.plain:
		return "http://" + a.host
	case n == 0 && a.host == HubHost:
		return HubAddress
	case n == 0:
		return a.host
	case a.plain:
		return "http://" + a.host + "/" + strings.Join(a.path[:n], "/")
	default:
		return a.host + "/" + strings.Join(a.path[:n], "/")
	}
}

func isHubHost(host string) bool {
	switch host {
	case HubHost, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com":
		return true
	}
	return false
}

// isHubToken recognizes the paths of docker's web login, however cased.
func isHubToken(path []string) bool {
	return len(path) == 2 && strings.EqualFold(path[0], "v1") &&
		(strings.EqualFold(path[1], "access-token") || strings.EqualFold(path[1], "refresh-token"))
}

func isAPIRoot(segment string) bool { return segment == "v1" || segment == "v2" }

// canonicalHost lower-cases a host and drops the port that its scheme implies. ok is
// false for anything that is not host, host:port, an IPv4 address or [IPv6] with or
// without port.
func canonicalHost(authority string, plain bool) (host string, ok bool) {
	var port string
	var hasPort bool
	if strings.HasPrefix(authority, "[") {
		end := strings.IndexByte(authority, ']')
		if end < 0 {
			return "", false
		}
		ip, err := netip.ParseAddr(authority[1:end])
		if err != nil || !ip.Is6() || ip.Zone() != "" {
			return "", false
		}
		host = "[" + ip.String() + "]"
		after := authority[end+1:]
		port, hasPort = strings.CutPrefix(after, ":")
		if after != "" && !hasPort {
			return "", false
		}
	} else {
		host, port, hasPort = strings.Cut(authority, ":")
		if !isHostName(host) {
			return "", false
		}
		host = strings.ToLower(host)
	}
	if !hasPort {
		return host, true
	}
	if !isPort(port) {
		return "", false
	}
	if (port == "443" && !plain) || (port == "80" && plain) {
		return host, true
	}
	return host + ":" + port, true
}

// isHostName allows what DNS and container networks use, underscores included:
// docker-compose service names have them.
func isHostName(s string) bool {
	if s == "" || s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && s[i] != '.' && s[i] != '-' && s[i] != '_' {
			return false
		}
	}
	return !strings.Contains(s, "..")
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}

// isSegment allows RFC 3986's unreserved characters, which cover every repository
// name; "." and ".." would let two spellings name one place.
func isSegment(s string) bool {
	if s == "" || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && !strings.ContainsRune("._-~", rune(s[i])) {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func cutPrefixFold(s string, prefixes ...string) (string, bool) {
	for _, p := range prefixes {
		if len(s) >= len(p) && strings.EqualFold(s[:len(p)], p) {
			return s[len(p):], true
		}
	}
	return s, false
}
