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
	} {
		if got := zoneOf(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s: %q, want %q", ip, got, want)
		}
	}
}
