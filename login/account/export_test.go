package account

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"regshape/login/authfile"
	"regshape/store"
)

// The pattern of RFC 1123 names that the Kubernetes API server checks names against.
var subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

func TestExport_secretNames(t *testing.T) {
	for in, want := range map[string]string{
		"docker.io":               "docker-io",
		"localhost:5000/team":     "localhost-5000-team",
		"ghcr.io/team/app_x.y":    "ghcr-io-team-app-x-y",
		"[::1]:5000":              "1--5000",
		"[::]":                    "registry",
		strings.Repeat("a-", 300): strings.TrimSuffix(strings.Repeat("a-", 127), "-"),
	} {
		got := secretName(in)
		if got != want || len(got) > 253 || !subdomain.MatchString(got) {
			t.Errorf("%s gives %q, want %q", in, got, want)
		}
	}
	for _, name := range []string{"a", "a.b", "a-b.c1", "", "-a", "a-", "a..b", ".a", "A", "a_b", "ä", "a\n", strings.Repeat("a", 253), strings.Repeat("a", 254)} {
		if got, want := isSubdomain(name), subdomain.MatchString(name) && len(name) <= 253; got != want {
			t.Errorf("isSubdomain(%.20q) = %v, want %v", name, got, want)
		}
	}
	if isLabel(strings.Repeat("a", 64), maxLabel) || !isLabel(strings.Repeat("a", 63), maxLabel) || isLabel("a.b", maxLabel) {
		t.Error("isLabel takes 64 characters or a dot, or refuses 63")
	}
}

// What is exported reads back as the login that it was, for every format.
func TestExport_readsBack(t *testing.T) {
	for _, c := range []struct {
		url, user, secret string
		kind              store.Kind
		want              error
	}{
		{store.HubAddress, "alice", "p:ä\"<&>\n", store.KindPassword, nil},
		{"localhost:5000/team", "robot$x", "", store.KindPassword, nil},
		{"ghcr.io", authfile.TokenUser, "tok", store.KindIdentityToken, nil},
		{"ghcr.io", "al:ice", "canary", store.KindPassword, authfile.ErrUserName},
		{"ghcr.io", "", "canary", store.KindPassword, authfile.ErrUserName},
		{"ghcr.io", "alice", "canary\x00", store.KindPassword, authfile.ErrSecret},
	} {
		for _, format := range []string{formatDocker, formatKubernetes, formatContainers} {
			text, err := (&Export{Format: format}).render(store.Credential{Canonical: c.url, Username: c.user, Secret: c.secret, Kind: c.kind})
			if c.want != nil {
				if !errors.Is(err, c.want) || text != nil || strings.Contains(err.Error(), "canary") {
					t.Errorf("%s of %q: %v, want %v", format, c.user, err, c.want)
				}
				continue
			}
			if format == formatKubernetes {
				if c.kind == store.KindIdentityToken {
					if err == nil {
						t.Error("an identity token went to kubernetes")
					}
					continue
				}
				text = insideSecret(t, text)
			}
			if err != nil {
				t.Errorf("%s of %s = %v, want no error", format, c.url, err)
				continue
			}
			d, err := authfile.Parse("export", text, authfile.Docker)
			if err != nil {
				t.Fatal(err)
			}
			entries := d.Entries()
			if len(entries) != 1 || entries[0].Err != nil || entries[0].Username != c.user || entries[0].Secret != c.secret {
				t.Errorf("%s of %s reads back as %v, want the login", format, c.url, entries)
			}
			if got := store.ParseAddress(entries[0].Key).String(); got != store.ParseAddress(c.url).String() {
				t.Errorf("%s of %s has the key %s", format, c.url, got)
			}
		}
	}
}

// insideSecret checks a v1 Secret as strictly as the API server does, field by field, and
// returns the docker config in it.
func insideSecret(t *testing.T, text []byte) []byte {
	t.Helper()
	var secret struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Type string            `json:"type"`
		Data map[string]string `json:"data"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&secret); err != nil {
		t.Fatal(err)
	}
	if secret.APIVersion != "v1" || secret.Kind != "Secret" || secret.Type != "kubernetes.io/dockerconfigjson" || !subdomain.MatchString(secret.Metadata.Name) || len(secret.Data) != 1 {
		t.Errorf("got %.200s, want a pull secret", text)
	}
	config, err := base64.StdEncoding.DecodeString(secret.Data[".dockerconfigjson"])
	if err != nil {
		t.Fatal(err)
	}
	return config
}
