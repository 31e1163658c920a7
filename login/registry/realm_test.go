package registry

import (
	"net/netip"
	"testing"
)

func TestZoneOf(t *testing.T) {
	for ip, want := range map[string]zone{
		"127.0.0.1": zoneLoopback, "127.255.0.1": zoneLoopback, "::1": zoneLoopback, "::": zoneLoopback, "0.1.2.3": zoneLoopback,
		"64:ff9b::7f00:1": zoneLoopback, "64:ff9b::a9fe:a9fe": zoneMetadata, "::ffff:169.254.169.254": zoneMetadata,
		"fe80::1%eth0": zoneLinkLocal, "ff02::1": zoneLinkLocal, "10.0.0.1": zoneOpen, "192.168.1.1": zoneOpen,
		"fd00::1": zoneOpen, "8.8.8.8": zoneOpen, "64:ff9b::808:808": zoneOpen,
		// The metadata services of the clouds.
		"fd00:ec2::23": zoneMetadata, "fd00:ec2::254": zoneMetadata, "fd20:ce::254": zoneMetadata, "fd00:42::42": zoneMetadata,
		"fd00:c1::a9fe:a9fe": zoneMetadata, "fe80::a9fe:a9fe%eth0": zoneMetadata, "192.0.0.192": zoneMetadata, "100.100.100.200": zoneMetadata,
		"168.63.129.16": zoneMetadata, "169.254.170.2": zoneMetadata, "169.254.170.23": zoneMetadata,
		// What translators and tunnels make of an IPv6 address.
		"64:ff9b:1::a9fe:a9fe": zoneMetadata, "64:ff9b:1:a9fe:a9:fe00::": zoneMetadata, "64:ff9b:1:12a9:fe:a9fe::": zoneMetadata,
		"64:ff9b:1:1234:a9:fea9:fe00:0": zoneMetadata, "64:ff9b:1:1234::7f00:1": zoneLoopback, "64:ff9b::6464:64c8": zoneMetadata,
		"64:ff9b:1::808:808": zoneOpen, "64:ff9b:1:808:8:800::": zoneOpen, "64:ff9b:1:1234:8:808:800:0": zoneOpen,
		"2002:a9fe:a9fe::1": zoneMetadata, "2002:7f00:1::": zoneLoopback, "2002:808:808::1": zoneOpen,
		"::7f00:1": zoneLoopback, "::a9fe:a9fe": zoneMetadata, "::ffff:0:127.0.0.1": zoneLoopback, "::ffff:0:808:808": zoneOpen, "2001:db8::a9fe:a9fe": zoneOpen,
	} {
		if got := zoneOf(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s: %q, want %q", ip, got, want)
		}
	}
}

// Names of metadata services, which a proxy would resolve.
func TestLiteralZone(t *testing.T) {
	for host, want := range map[string]zone{
		"metadata": zoneMetadata, "metadata.google.internal": zoneMetadata, "METADATA.google.internal.": zoneMetadata, "metadata.goog": zoneMetadata,
		"instance-data": zoneMetadata, "instance-data.ec2.internal": zoneMetadata, "metadata.tencentyun.com": zoneMetadata, "api.metadata.cloud.ibm.com": zoneMetadata,
		"registry.example": zoneOpen, "metadata-registry.example": zoneOpen, "registry.metadata.example": zoneOpen,
	} {
		if got, err := literalZone(host); got != want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", host, got, err, want)
		}
	}
}
