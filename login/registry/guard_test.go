package registry

import (
	"net/netip"
	"testing"
)

func TestClassOf(t *testing.T) {
	for ip, want := range map[string]addrClass{
		"127.0.0.1": classLoopback, "127.255.0.1": classLoopback, "::1": classLoopback, "::": classLoopback, "0.1.2.3": classLoopback,
		"64:ff9b::7f00:1": classLoopback, "64:ff9b::a9fe:a9fe": classMetadata, "::ffff:169.254.169.254": classMetadata,
		"fe80::1%eth0": classLinkLocal, "ff02::1": classLinkLocal, "10.0.0.1": classOther, "192.168.1.1": classOther,
		"fd00::1": classOther, "8.8.8.8": classOther, "64:ff9b::808:808": classOther,
		// The metadata services of the clouds.
		"fd00:ec2::23": classMetadata, "fd00:ec2::254": classMetadata, "fd20:ce::254": classMetadata, "fd00:42::42": classMetadata,
		"fd00:c1::a9fe:a9fe": classMetadata, "fe80::a9fe:a9fe%eth0": classMetadata, "192.0.0.192": classMetadata, "100.100.100.200": classMetadata,
		"168.63.129.16": classMetadata, "169.254.170.2": classMetadata, "169.254.170.23": classMetadata,
		// What translators and tunnels make of an IPv6 address.
		"64:ff9b:1::a9fe:a9fe": classMetadata, "64:ff9b:1:a9fe:a9:fe00::": classMetadata, "64:ff9b:1:12a9:fe:a9fe::": classMetadata,
		"64:ff9b:1:1234:a9:fea9:fe00:0": classMetadata, "64:ff9b:1:1234::7f00:1": classLoopback, "64:ff9b::6464:64c8": classMetadata,
		"64:ff9b:1::808:808": classOther, "64:ff9b:1:808:8:800::": classOther, "64:ff9b:1:1234:8:808:800:0": classOther,
		"2002:a9fe:a9fe::1": classMetadata, "2002:7f00:1::": classLoopback, "2002:808:808::1": classOther,
		"::7f00:1": classLoopback, "::a9fe:a9fe": classMetadata, "::ffff:0:127.0.0.1": classLoopback, "::ffff:0:808:808": classOther, "2001:db8::a9fe:a9fe": classOther,
	} {
		if got := classOf(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s: %q, want %q", ip, got, want)
		}
	}
}

// Names of metadata services, which a proxy would resolve.
func TestLiteralClass(t *testing.T) {
	for host, want := range map[string]addrClass{
		"metadata": classMetadata, "metadata.google.internal": classMetadata, "METADATA.google.internal.": classMetadata, "metadata.goog": classMetadata,
		"instance-data": classMetadata, "instance-data.ec2.internal": classMetadata, "metadata.tencentyun.com": classMetadata, "api.metadata.cloud.ibm.com": classMetadata,
		"registry.example": classOther, "metadata-registry.example": classOther, "registry.metadata.example": classOther,
	} {
		if got, err := literalClass(host); got != want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", host, got, err, want)
		}
	}
}
