package doctor

import (
	"strings"
	"testing"
	"time"

	"regshape/login/app"
	"regshape/login/terminal"
	"regshape/store"
)

func TestCheckClock(t *testing.T) {
	now := time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)
	e := &app.Env{Now: func() time.Time { return now }}
	for _, c := range []struct {
		built   string
		newest  time.Time
		problem string
	}{
		{"", time.Time{}, ""},
		{"no date", time.Time{}, ""},
		{"2030-05-01T11:59:00Z", now.Add(-time.Hour), ""},
		{"", now.Add(time.Minute), ""},
		{"", now.Add(time.Minute + time.Second), "the newest login was stored at 2030-05-01T12:01:01Z"},
		{"2030-05-02T00:00:00Z", now, "this program was built at 2030-05-02T00:00:00Z"},
	} {
		e.Build.Date = c.built
		found := checkClock(e, &storeState{found: []store.Credential{{Updated: now.AddDate(-1, 0, 0)}, {Updated: c.newest}}})
		if len(found) != 1 || (found[0].Level == severityProblem) != (c.problem != "") || !strings.Contains(found[0].What, c.problem) {
			t.Errorf("built %q, newest %v: got %v, want problem %q", c.built, c.newest, found, c.problem)
		}
		if c.problem != "" && found[0].Fix == "" {
			t.Error("got no fix, want one")
		}
	}
}

// The login of a round trip never answers for a registry.
func TestRoundTrip_opaqueAddress(t *testing.T) {
	if a := store.ParseAddress(probeAddress + "ABCDEFGHIJKL"); !a.Opaque() {
		t.Errorf("%s: got a registry address, want an opaque one", a)
	}
}

// Text from other programs' files is made safe for a terminal, and lists are limited.
func TestFinding_printable(t *testing.T) {
	var out strings.Builder
	f := bad("names \x1b]0;x\x07 and\nline\u202e", "/a\x1bb", "rm x")
	if err := f.printable().write(&out); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "BAD names ?]0;x? and line? (/a?b)\n    fix: rm x\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := terminal.Some(strings.Split("abcdefghijkl", "")); got != "a, b, c, d, e, f, g, h, i, j and 2 more" {
		t.Errorf("got %q, want ten names and the number of the others", got)
	}
}

// Commands are of the system's own shell, and open an editor that it has.
func TestCommands(t *testing.T) {
	for got, want := range map[string]string{
		setClock("darwin"):            "sudo sntp -sS time.apple.com",
		setClock("windows"):           "w32tm /resync",
		setClock("linux"):             "sudo timedatectl set-ntp true",
		editOn("linux", "/ab", 3):     `"${EDITOR:-vi}" +3 /ab`,
		editOn("windows", "ab", 3):    "notepad ab",
		linked("linux", "/opt/bin"):   "ln -sf regshape /opt/bin/docker-credential-regshape-x",
		linked("windows", "/opt/bin"): "copy /opt/bin/regshape.exe /opt/bin/docker-credential-regshape-x.exe",
	} {
		if got = strings.ReplaceAll(got, `\`, "/"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func linked(goos, dir string) string {
	_, command := linkCommand(goos, dir, "docker-credential-regshape-x")
	return command
}

// Podman of Windows and macOS stops at any address with a scheme that a helper lists.
func TestPodmanRemote(t *testing.T) {
	use := podmanUse{tools: []string{"podman"}, helpers: []string{"regshape"}, from: "f"}
	for _, c := range []struct {
		goos, address string
		want          severity // "" for no finding
	}{
		{"linux", store.HubAddress, ""},
		{"windows", "ghcr.io", severityInfo},
		{"windows", store.HubAddress, severityProblem},
		{"darwin", "https://ghcr.io", severityProblem},
	} {
		found := podmanRemote(&app.Env{}, c.goos, use, []store.Credential{{ServerURL: c.address}})
		if len(found) != 0 != (c.want != "") || len(found) > 0 && found[0].Level != c.want {
			t.Errorf("%s, %s: got %v, want %q", c.goos, c.address, found, c.want)
		}
	}
}
