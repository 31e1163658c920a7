package registry

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unicode/utf8"
)

// zone sorts the addresses that a registry may send us to only if it lives there
// itself. Anything else, private networks included, is zoneOpen.
type zone string

const (
	zoneOpen      zone = ""
	zoneLoopback  zone = "loopback"
	zoneLinkLocal zone = "link-local"
	zoneMetadata  zone = "cloud metadata"
)

// metadataAddrs are the fixed addresses where clouds hand out credentials of the
// machine to whoever asks: AWS, GCP, Azure and most others; AWS over IPv6; Alibaba;
// Azure's host agent; Oracle.
var metadataAddrs = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"),
	netip.MustParseAddr("fd00:ec2::254"),
	netip.MustParseAddr("100.100.100.200"),
	netip.MustParseAddr("168.63.129.16"),
	netip.MustParseAddr("192.0.0.192"),
}

var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")
	nat64       = netip.MustParsePrefix("64:ff9b::/96")
)

func zoneOf(ip netip.Addr) zone {
	ip = ip.Unmap().WithZone("")
	if nat64.Contains(ip) {
		// RFC 6052: the IPv4 address is in the last 32 bits.
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
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
	last := host[strings.LastIndexByte(host, '.')+1:]
	if strings.HasPrefix(last, "0x") || last != "" && strings.Trim(last, "0123456789") == "" {
		return zoneOpen, errOdd
	}
	return zoneOpen, nil
}

// perimeter remembers where the registry was reached and refuses zones elsewhere.
type perimeter struct {
	mu   sync.Mutex
	seen map[zone]bool
}

func (p *perimeter) note(z zone) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil {
		p.seen = map[zone]bool{}
	}
	p.seen[z] = true
}

func (p *perimeter) noteAddr(address string) {
	if ip, err := netip.ParseAddr(hostOf(address)); err == nil {
		p.note(zoneOf(ip))
	}
}

// check is a net.Dialer's Control: it sees the resolved address before anything is
// sent to it. The error is a *zoneError.
func (p *perimeter) check(_, address string, _ syscall.RawConn) error {
	ip, err := netip.ParseAddr(hostOf(address))
	if err != nil {
		return &zoneError{}
	}
	return p.permit(zoneOf(ip))
}

// checkName is check for a host that only the proxy resolves.
func (p *perimeter) checkName(host string) error {
	z, err := literalZone(host)
	if err != nil {
		return &zoneError{}
	}
	return p.permit(z)
}

func (p *perimeter) permit(z zone) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if z != zoneOpen && !p.seen[z] {
		return &zoneError{z}
	}
	return nil
}

// zoneError says that an address was refused. It matches errZone.
type zoneError struct{ zone zone }

func (e *zoneError) Error() string {
	if e.zone == zoneOpen {
		return "its address is not in a usual spelling"
	}
	return "it is at a " + string(e.zone) + " address and the registry is not"
}

func (e *zoneError) Unwrap() error { return errZone }

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
		return refuse("the token realm at " + Printable(u.Host, 200) + " carries a user name and was refused")
	case u.Scheme == "http" && registry.Scheme == "https":
		return refuse("the token realm " + origin(u) + " is plain http though the registry is https; nothing was sent to it")
	}
	u.Fragment = ""
	return u, nil
}
