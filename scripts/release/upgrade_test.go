//go:build release

package main

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"regshape/scripts/testregistry"
)

// version010 is the commit of version 0.1.0.
const version010 = "068248c"

// The stores that the upgrade meets: what makes each, and what asks it for all its logins.
var upgraded = []struct{ name, make, ask string }{
	{
		"key file", `printf %s 'a pass phrase' | regshape auth login $HOST -u carol --password-stdin
		echo '{"ServerURL":"https://other.example/v1/","Username":"<token>","Secret":"a \"token\""}' | docker-credential-regshape store`,
		`for a in $HOST https://other.example; do echo $a | docker-credential-regshape get; done`,
	},
	{
		"profile", `printf %s 'a pass phrase' | regshape --profile work auth login $HOST -u carol --password-stdin`,
		`echo $HOST | REGSHAPE_PROFILE=work docker-credential-regshape get`,
	},
	{
		"slots", `printf %s 'a pass phrase' | regshape --profile slots auth login $HOST -u carol --password-stdin
		regshape --profile slots auth key protect --passphrase-file phrase
		regshape --profile slots auth key protect --recipient $(age-keygen -y identity)`,
		`for way in '--passphrase-file phrase' '--identity identity'; do
			regshape --profile slots auth lock && regshape --profile slots auth unlock $way
			echo $HOST | REGSHAPE_PROFILE=slots docker-credential-regshape get
		done 2>&1 | grep ServerURL`,
	},
	{
		"directory", `printf %s 'a pass phrase' | regshape --store batch auth login $HOST -u carol --password-stdin`,
		`echo $HOST | REGSHAPE_STORE=$PWD/batch docker-credential-regshape get`,
	},
}

// testUpgrade has this version's package take the place of that of 0.1.0, and that take its
// place again: each answers all that the other has stored, as far as it knows of it.
func testUpgrade(t *testing.T, dist string, env []string) {
	tool(t, "age-keygen")
	if out, err := try(t, nil, "git", "-C", "../..", "cat-file", "-e", version010+"^{commit}"); err != nil {
		t.Skipf("this clone has no commit of version 0.1.0: %s", out)
	}
	src := filepath.Join(t.TempDir(), "src")
	must(t, "sh", "-c", `mkdir "$2" && git -C ../.. archive "$1" | tar -x -C "$2"`, "sh", version010, src)
	commitAll(t, src, "v0.1.0")
	ignoreBuilt(t, src)
	makeRelease(t, src, "umask 022", env)

	m := newMachine(t)
	server := httptest.NewServer(testregistry.New(testregistry.Options{
		Auth: testregistry.Basic, Users: map[string]string{"carol": "a pass phrase"},
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	m.ok("root", "useradd --create-home --shell /bin/bash carol")
	install := map[string]string{}
	for version, from := range map[string]string{"0.1.0": filepath.Join(src, "dist"), "1.2.3": dist} {
		name := "tmp/" + version + ".deb"
		write(t, filepath.Join(m.root, name), string(read(t, filepath.Join(from, "regshape_"+version+"_linux_amd64.deb"))))
		install[version] = "dpkg -i /" + name
	}
	carol := func(lines string, words ...string) string {
		t.Helper()
		return m.ok("carol", "set -e\nHOST="+host+"\n"+lines, words...)
	}

	m.ok("root", install["0.1.0"])
	carol("echo correct horse > phrase; age-keygen -o identity")
	answers := map[string]string{}
	for _, s := range upgraded {
		carol(s.make)
		answers[s.name] = carol(s.ask, `"Secret"`)
	}
	unchanged := func(by string) {
		t.Helper()
		for _, s := range upgraded {
			if got := carol(s.ask); got != answers[s.name] {
				t.Errorf("%s of 0.1.0, by %s:\n%swant\n%s", s.name, by, got, answers[s.name])
			}
		}
	}

	m.ok("root", install["1.2.3"])
	unchanged("this version")
	carol("regshape auth list && regshape --profile work auth status", host)
	write(t, filepath.Join(m.root, "home/carol/maker"), "#!/bin/sh\necho a pass phrase\n")
	m.ok("root", "chmod 755 /home/carol/maker && chown carol /home/carol/maker")
	carol("regshape auth login made.example --skip-verify -u carol --command ~/maker")
	carol("regshape auth login '*.made.example' -u carol --command ~/maker")
	made := `for a in made.example one.made.example; do echo $a | docker-credential-regshape get; done`
	answers["programs"] = carol(made, "a pass phrase")

	// Back: 0.1.0 has no program's login, says so, and keeps it through a change of the key.
	m.ok("root", install["0.1.0"])
	unchanged("0.1.0 after this version")
	m.fails("carol", "echo made.example | docker-credential-regshape get", "credentials not found")
	carol("regshape auth list", "made.example", "expired")
	carol("regshape auth key rotate && printf %s 'a pass phrase' | regshape auth login $HOST -u carol --password-stdin")

	m.ok("root", install["1.2.3"])
	unchanged("this version again")
	if got := carol(made); got != answers["programs"] {
		t.Errorf("a program's logins after 0.1.0:\n%swant\n%s", got, answers["programs"])
	}
	carol("regshape auth doctor || true; regshape auth list", "made.example")
}
