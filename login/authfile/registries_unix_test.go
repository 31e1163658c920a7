//go:build unix

package authfile

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"regshape/scripts/testenv"
)

// odd checks what only Unix has.
func odd(t *testing.T, dir string, g Generation, want func(what string, ok bool)) {
	if err := os.Symlink("nowhere", filepath.Join(dir, "10-dangling.conf")); err != nil {
		t.Fatal(err)
	}
	want("a dangling link", true)
	if err := syscall.Mkfifo(filepath.Join(dir, "20-fifo.conf"), 0o600); err != nil {
		t.Fatal(err)
	}
	want("a FIFO", false)
	if err := os.Remove(filepath.Join(dir, "20-fifo.conf")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "")
	want("a file in place of the folder", g != Podman6)
}

// What CredentialHelpers says must be what the real programs ask, in that order.
func TestAsPodmanAsks(t *testing.T) {
	const main, dropIns = "registries.conf", "registries.conf.d/"
	list := func(names ...string) string { return `credential-helpers = ["` + strings.Join(names, `", "`) + "\"]\n" }
	for tool, g := range map[string]Generation{"podman": Podman4, "skopeo": Skopeo1, "buildah": Skopeo1} {
		program, err := exec.LookPath(tool)
		if err != nil {
			t.Logf("not compared with %s: it is not installed", tool)
			continue
		}
		for name, files := range map[string]map[string]string{
			"nothing":              {},
			"main":                 {main: list("h1", "h2")},
			"drop-in":              {dropIns + "50-a.conf": list("h2", "h1")},
			"later wins":           {main: list("h1"), dropIns + "50-a.conf": list("h2"), dropIns + "60-b.conf": list("h3", "h2")},
			"later is silent":      {dropIns + "50-a.conf": list("h2"), dropIns + "60-b.conf": "unqualified-search-registries = []\n"},
			"later is empty":       {dropIns + "50-a.conf": list("h2"), dropIns + "60-b.conf": "credential-helpers = []\n"},
			"auth.json first":      {dropIns + "50-a.conf": list(AuthFileHelper, "h1")},
			"our drop-in":          {main: list("h1"), dropIns + dropInNames[0]: string(DropInText("written by a test", []string{"h3", "h1"}))},
			"CRLF":                 {dropIns + "50-a.conf": "# windows\r\n" + strings.TrimSpace(list("h2")) + "\r\n"},
			"another case":         {main: list("h1"), dropIns + "50-a.conf": "Credential-Helpers = [\"h2\"]\n"},
			"in a table":           {dropIns + "50-a.conf": "[other]\n" + list("h1")},
			"broken":               {dropIns + "50-a.conf": "credential-helpers = [\n"},
			"wrong type":           {dropIns + "50-a.conf": "credential-helpers = 1\n"},
			"environment":          {main: list("h1"), "env": list("h2")},
			"environment, drop-in": {"env": list("h2"), dropIns + "50-a.conf": list("h3")},
		} {
			home := t.TempDir()
			e := Env{Home: home, GOOS: "linux", UID: os.Getuid()}
			var env []string
			for file, text := range files {
				path := filepath.Join(home, ".config", "containers", file)
				if file == "env" {
					path = filepath.Join(home, "named.conf")
					env = []string{"CONTAINERS_REGISTRIES_CONF=" + path}
				}
				put(t, path, text)
			}
			e.Getenv = variables(env...)
			bin, log := filepath.Join(home, "bin"), filepath.Join(home, "asked")
			if err := os.MkdirAll(bin, 0o700); err != nil {
				t.Fatal(err)
			}
			for _, h := range []string{"h1", "h2", "h3"} {
				body := "#!/bin/sh\necho " + h + " >>'" + log + "'\necho 'credentials not found in native keychain'\nexit 1\n"
				if err := os.WriteFile(filepath.Join(bin, "docker-credential-"+h), []byte(body), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			// As root, podman would use the machine's storage and ignore HOME.
			storage, engine := filepath.Join(home, "storage.conf"), filepath.Join(home, "containers.conf")
			put(t, storage, fmt.Sprintf("[storage]\ndriver = \"vfs\"\ngraphroot = %q\nrunroot = %q\n", home+"/images", home+"/run"))
			put(t, engine, fmt.Sprintf("[engine]\ntmp_dir = %q\nevents_logger = \"none\"\n", home+"/tmp"))
			env = testenv.Environ(home, append(env, "XDG_RUNTIME_DIR="+home, "PATH="+bin+":"+os.Getenv("PATH"),
				"CONTAINERS_STORAGE_CONF="+storage, "CONTAINERS_CONF="+engine)...)
			cmd := testenv.CommandContext(t.Context(), env, program, "login", "--get-login", "r.test")
			out, _ := cmd.CombinedOutput() // it fails: nobody is logged in
			asked, _ := os.ReadFile(log)   // nobody asked: no file

			helpers, _, err := CredentialHelpers(e, g)
			var want []string
			for _, h := range helpers {
				if h != AuthFileHelper {
					want = append(want, h)
				}
			}
			if got := strings.Fields(string(asked)); strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("%s, %s: it asked %q, we say %q, %v\n%s", tool, name, got, want, err, out)
			}
			if notLoggedIn := strings.Contains(string(out), "not logged in"); notLoggedIn != (err == nil) {
				t.Errorf("%s, %s: it says %q, we say %v", tool, name, out, err)
			}
		}
	}
}
