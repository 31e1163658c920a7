package registry

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// addrClass is the kind of an address. A registry may point to an address of a class other
// than classOther only if its own is of the same class. Private networks are classOther: a
// registry with a public address and an internal token server is common, and a name with a
// global IPv6 and a private IPv4 address may be reached at either.
type addrClass string

const (
	classOther     addrClass = ""
	classLoopback  addrClass = "loopback"
	classLinkLocal addrClass = "link-local"
	classMetadata  addrClass = "cloud metadata"
)

// metadataAddrs are the fixed addresses of the clouds' metadata services, which give the
// machine's credentials to any caller.
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

// metadataHosts are the first labels of their names: metadata,
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

func classOf(ip netip.Addr) addrClass {
	ip = ip.Unmap().WithZone("")
	z := classWithoutEmbedded(ip)
	for _, v4 := range embedded(ip) {
		if z == classOther {
			z = classWithoutEmbedded(v4)
		}
	}
	return z
}

func classWithoutEmbedded(ip netip.Addr) addrClass {
	switch {
	case slices.Contains(metadataAddrs, ip):
		return classMetadata
	case ip.IsLoopback(), ip.IsUnspecified(), thisNetwork.Contains(ip):
		// A connection to the unspecified address arrives at the machine itself.
		return classLoopback
	case ip.IsLinkLocalUnicast(), ip.IsLinkLocalMulticast(), ip.IsInterfaceLocalMulticast():
		return classLinkLocal
	}
	return classOther
}

// embedded returns the IPv4 addresses to which a translator or tunnel may deliver an IPv6
// address. Teredo (2001::/32) is left out: it embeds a port of a UDP tunnel, where no TCP
// server answers.
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
	errRefused = errors.New("address refused")
	errOddHost = errors.New("non-standard host name")
)

// literalClass classifies a host name without resolving it, which a proxy does. It refuses
// names that a resolver would read as a number in another notation, and those that are not
// ASCII: net/http maps them (UTS #46) before it asks the proxy, and turns full-width digits
// or "127。0。0。1" into an address. Such hosts have a name in Punycode.
func literalClass(host string) (addrClass, error) {
	if strings.ContainsFunc(host, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return classOther, errOddHost
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".") // also of "::1."
	if ip, err := netip.ParseAddr(host); err == nil {
		return classOf(ip), nil
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return classLoopback, nil
	}
	first, _, _ := strings.Cut(host, ".")
	if slices.Contains(metadataHosts, first) || host == "api.metadata.cloud.ibm.com" {
		return classMetadata, nil
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if strings.HasPrefix(last, "0x") || last != "" && strings.Trim(last, "0123456789") == "" {
		return classOther, errOddHost
	}
	return classOther, nil
}

// dialGuard records the class of the address at which each registry was first reached, for
// the life of a Client. The registry has to stay in that class, whatever its name resolves
// to later, and may point to other servers there and in classOther only.
type dialGuard struct {
	mu    sync.Mutex
	first map[string]addrClass // by host:port
}

// record notes the class at which a registry was reached. It fails if that has changed.
func (g *dialGuard) record(registry string, z addrClass) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if first, known := g.first[registry]; known && first != z {
		return classChanged(first, z)
	}
	if g.first == nil {
		g.first = map[string]addrClass{}
	}
	g.first[registry] = z
	return nil
}

// checkSame checks an address of the registry itself before it is dialled.
func (g *dialGuard) checkSame(registry string, z addrClass) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if first, known := g.first[registry]; known && first != z {
		return classChanged(first, z)
	}
	return nil
}

// checkOther checks an address of another server that the registry names.
func (g *dialGuard) checkOther(registry string, z addrClass) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if first, known := g.first[registry]; z != classOther && (!known || first != z) {
		return &addressError{why: "it is at a " + string(z) + " address and the registry is not"}
	}
	return nil
}

// addressError says why an address was refused. It matches errRefused.
type addressError struct {
	why    string
	advice Advice
}

func (e *addressError) Error() string { return e.why }
func (e *addressError) Unwrap() error { return errRefused }

var (
	errSpelling  = &addressError{why: "its host name is not in a standard notation"}
	errPlainHTTP = &addressError{why: "it is not a loopback address, and only those may use plain http by default", advice: AllowHTTP}
)

func classChanged(from, to addrClass) error {
	if to == classOther {
		return &addressError{why: "it was at a " + string(from) + " address before and no longer is"}
	}
	return &addressError{why: "it is at a " + string(to) + " address and was not before"}
}
