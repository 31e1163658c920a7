package account

import (
	"slices"
	"strings"
	"testing"

	"regshape/login/registry"
	"regshape/store"
)

func TestDevice_browserCommand(t *testing.T) {
	for _, tt := range []struct{ goos, set, want string }{
		{"linux", "DISPLAY", "xdg-open"},
		{"linux", "WAYLAND_DISPLAY", "xdg-open"},
		{"freebsd", "DISPLAY", "xdg-open"},
		{"linux", "", ""},
		{"linux", "DISPLAY SSH_CONNECTION", ""},
		{"darwin", "", "open"},
		{"darwin", "SSH_CONNECTION", ""},
		{"windows", "", "rundll32 url.dll,FileProtocolHandler"},
	} {
		getenv := func(name string) string {
			if slices.Contains(strings.Fields(tt.set), name) {
				return "set"
			}
			return ""
		}
		if got := strings.Join(browserCommand(tt.goos, getenv), " "); got != tt.want {
			t.Errorf("%s with %q: %q, want %q", tt.goos, tt.set, got, tt.want)
		}
	}
}

// Which issuer and client are asked, from flags and from what is remembered.
func TestDevice_client(t *testing.T) {
	known := &store.Renewal{Issuer: "https://id.example", ClientID: "cli", Scope: "openid registry"}
	for _, tt := range []struct {
		name, address string
		flags         deviceFlags
		known         *store.Renewal
		want          registry.DeviceClient
		missing       string
	}{
		{"flags", "r.example", deviceFlags{DeviceIssuer: "https://a", DeviceClientID: "b", DeviceScope: "c"}, known, registry.DeviceClient{Issuer: "https://a", ClientID: "b", Scope: "c"}, ""},
		{"remembered", "r.example", deviceFlags{}, known, registry.DeviceClient{Issuer: "https://id.example", ClientID: "cli", Scope: "openid registry"}, ""},
		{"another scope", "r.example", deviceFlags{DeviceScope: "x"}, known, registry.DeviceClient{Issuer: "https://id.example", ClientID: "cli", Scope: "x"}, ""},
		{"another client", "r.example", deviceFlags{DeviceClientID: "x"}, known, registry.DeviceClient{Issuer: "https://id.example", ClientID: "x"}, ""},
		{"another issuer needs its client", "r.example", deviceFlags{DeviceIssuer: "https://a"}, known, registry.DeviceClient{}, "client id"},
		{"nothing", "r.example", deviceFlags{}, nil, registry.DeviceClient{}, "issuer"},
		{"Hub needs a client", "docker.io", deviceFlags{}, nil, registry.DeviceClient{}, "client id"},
		{"Hub", "docker.io", deviceFlags{DeviceClientID: "x"}, nil, registry.DeviceClient{Issuer: registry.HubIssuer, ClientID: "x", Scope: registry.HubScope, Audience: registry.HubAudience}, ""},
		{"a scope of Hub", "docker.io/library/x", deviceFlags{DeviceIssuer: registry.HubIssuer, DeviceClientID: "x"}, nil, registry.DeviceClient{Issuer: registry.HubIssuer, ClientID: "x", Scope: registry.HubScope, Audience: registry.HubAudience}, ""},
		{"Hub's issuer for another registry", "r.example", deviceFlags{DeviceIssuer: registry.HubIssuer, DeviceClientID: "x"}, nil, registry.DeviceClient{Issuer: registry.HubIssuer, ClientID: "x"}, ""},
	} {
		got, err := tt.flags.client(store.ParseAddress(tt.address), tt.known)
		if tt.missing != "" {
			if err == nil || !strings.Contains(err.Error(), "no "+tt.missing+" is known") {
				t.Errorf("%s: %v, want no %s", tt.name, err, tt.missing)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
}
