package registry

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"regshape/store/printable"
)

// zone sorts the addresses that a registry may send us to only if it lives there
// itself. Anything else is zoneOpen, and that includes private networks: a registry with a
// public address and a token server inside is common, and a name with a global IPv6 and a
// private IPv4 address may be reached at either from one connection to the next.
type zone string

const (
	zoneOpen      zone = ""
	zoneLoopback  zone = "loopback"
	zoneLinkLocal zone = "link-local"
	zoneMetadata  zone = "cloud metadata"
)

// metadataAddrs are the fixed addresses where clouds hand out credentials of the
// machine to whoever asks.
var metadataAddrs = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"),    // AWS, GCP, Azure and most others
	netip.MustParseAddr("169.254.170.2"),      // AWS ECS
	netip.MustParseAddr("169.254.170.23"),     // AWS EKS
	netip.MustParseAddr("169.254.0.23"),       // Tencent
	netip.MustParseAddr("169.254.42.42"),      // Scaleway
	netip.MustParseAddr("100.100.100.200"),    // Alibaba
	netip.MustParseAddr("168.63.129.16"),      // Azure's host agent
	netip.MustParseAddr("192.0.0.192"),        // Oracle
	netip.MustParseAddr("fd00:ec2::254"),      // AWS
	netip.MustParseAddr("fd00:ec2::23"),       // AWS EKS
	netip.MustParseAddr("fd20:ce::254"),       // GCP
	netip.MustParseAddr("fd00:42::42"),        // Scaleway
	netip.MustParseAddr("fd00:c1::a9fe:a9fe"), // Oracle
	netip.MustParseAddr("fe80::a9fe:a9fe"),    // OpenStack
}

// metadataHosts are the first labels of the names that they go by: metadata,
// metadata.google.internal, instance-data.ec2.internal, metadata.tencentyun.com, …
var metadataHosts = []string{"metadata", "instance-data", "rancher-metadata"}

var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")
	sixToFour   = netip.MustParsePrefix("2002::/16")      // RFC 3056
	localNAT64  = netip.MustParsePrefix("64:ff9b:1::/48") // RFC 8215
	lastBits    = []netip.Prefix{
		netip.MustParsePrefix("64:ff9b::/96"),    // RFC 6052
		netip.MustParsePrefix("::/96"),           // IPv4-compatible, RFC 4291 §2.5.5.1
		netip.MustParsePrefix("::ffff:0:0:0/96"), // IPv4-translated, RFC 2765
	}
)

func zoneOf(ip netip.Addr) zone {
	ip = ip.Unmap().WithZone("")
	z := zoneOfOne(ip)
	for _, v4 := range embedded(ip) {
		if z == zoneOpen {
			z = zoneOfOne(v4)
		}
	}
	return z
}

func zoneOfOne(ip netip.Addr) zone {
	switch {
	case slices.Contains(metadataAddrs, ip):
		return zoneMetadata
	case ip.IsLoopback(), ip.IsUnspecified(), thisNetwork.Contains(ip):
		// A connection to the unspecified address arrives at the machine itself.
		return zoneLoopback
	case ip.IsLinkLocalUnicast(), ip.IsLinkLocalMulticast(), ip.IsInterfaceLocalMulticast():
		return zoneLinkLocal
	}
	return zoneOpen
}

// embedded gives the IPv4 addresses to which a translator or tunnel may take an IPv6
// address. Teredo (2001::/32) is left out: what it embeds is a port of a UDP tunnel, and
// no TCP server answers there.
func embedded(ip netip.Addr) []netip.Addr {
	b := ip.As16()
	v4 := func(at ...int) netip.Addr { return netip.AddrFrom4([4]byte{b[at[0]], b[at[1]], b[at[2]], b[at[3]]}) }
	switch {
	case !ip.Is6():
		return nil
	case sixToFour.Contains(ip):
		return []netip.Addr{v4(2, 3, 4, 5)}
	case localNAT64.Contains(ip):
		// Its operator chose the length of the prefix (RFC 6052 §2.2: 48, 56, 64 or 96). Read
		// with a wrong one, zeros come first, and nobody routes those.
		all := []netip.Addr{v4(6, 7, 9, 10), v4(7, 9, 10, 11), v4(9, 10, 11, 12), v4(12, 13, 14, 15)}
		return slices.DeleteFunc(all, thisNetwork.Contains)
	case slices.ContainsFunc(lastBits, func(p netip.Prefix) bool { return p.Contains(ip) }):
		return []netip.Addr{v4(12, 13, 14, 15)}
	}
	return nil
}

var (
	errZone = errors.New("address refused")
	errOdd  = errors.New("odd host name")
)

// literalZone judges a host name without resolving it; a proxy will do that. Names
// that a resolver would take for a number in another spelling are refused, and those that
// are not ASCII: net/http maps them (UTS #46) before it asks the proxy, and makes an address
// of full-width digits or "127。0。0。1". A name in Punycode is what such a host has anyway.
func literalZone(host string) (zone, error) {
	if strings.ContainsFunc(host, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return zoneOpen, errOdd
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".") // also of "::1."
	if ip, err := netip.ParseAddr(host); err == nil {
		return zoneOf(ip), nil
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return zoneLoopback, nil
	}
	first, _, _ := strings.Cut(host, ".")
	if slices.Contains(metadataHosts, first) || host == "api.metadata.cloud.ibm.com" {
		return zoneMetadata, nil
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if strings.HasPrefix(last, "0x") || last != "" && strings.Trim(last, "0123456789") == "" {
		return zoneOpen, errOdd
	}
	return zoneOpen, nil
}

// perimeter remembers in which zone each registry was first reached, for the life of a
// Client. There the registry stays, whatever its name resolves to later, and only there may
// it send us beside the open network.
type perimeter struct {
	mu   sync.Mutex
	home map[string]zone // by host:port
}

// arrive notes where a registry was reached. It fails if that is not where it was before.
func (p *perimeter) arrive(registry string, z zone) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if home, known := p.home[registry]; known && home != z {
		return moved(home, z)
	}
	if p.home == nil {
		p.home = map[string]zone{}
	}
	p.home[registry] = z
	return nil
}

// stays checks an address of the registry itself before it is dialled.
func (p *perimeter) stays(registry string, z zone) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if home, known := p.home[registry]; known && home != z {
		return moved(home, z)
	}
	return nil
}

// permit checks an address that the registry sends us to.
func (p *perimeter) permit(registry string, z zone) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if home, known := p.home[registry]; z != zoneOpen && (!known || home != z) {
		return &zoneError{why: "it is at a " + string(z) + " address and the registry is not"}
	}
	return nil
}

// zoneError says why an address was refused. It matches errZone.
type zoneError struct {
	why    string
	advice Advice
}

func (e *zoneError) Error() string { return e.why }
func (e *zoneError) Unwrap() error { return errZone }

var (
	errSpelling = &zoneError{why: "its address is not in a usual spelling"}
	errPlain    = &zoneError{why: "it is not a loopback address, and no other may use plain http unasked", advice: AllowHTTP}
)

func moved(from, to zone) error {
	if to == zoneOpen {
		return &zoneError{why: "it was at a " + string(from) + " address before and no longer is"}
	}
	return &zoneError{why: "it is at a " + string(to) + " address and was not before"}
}

// parseRealm checks the realm of a Bearer challenge before anything is sent there.
// Where it resolves to is checked at dial time.
func parseRealm(realm string, registry *url.URL) (*url.URL, *failure) {
	u, err := url.Parse(realm)
	refuse := func(what string) (*url.URL, *failure) {
		return nil, &failure{outcome: Protocol, message: what}
	}
	switch {
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Host == "", u.Hostname() == "":
		return refuse("the token realm is not an http or https URL")
	case u.User != nil:
		return refuse("the token realm at " + printable.Line(u.Host, 200) + " carries a user name and was refused")
	case u.Scheme == "http" && registry.Scheme == "https":
		return refuse("the token realm " + origin(u) + " is plain http though the registry is https; nothing was sent to it")
	}
	u.Fragment = ""
	return u, nil
}
