package acceptance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"regshape/scripts/testenv"
)

// readers are the commands that read docker's configuration.
func readers() [][]string {
	return [][]string{
		{},
		{"auth", "get", "x.example"},
		{"auth", "doctor"},
		{"auth", "import"},
		{"auth", "logout", "x.example"},
		{"auth", "setup", "--docker", "--keep"},
		{"auth", "login", "x.example", "-u", "alice", "--password-stdin", "--skip-verify"},
	}
}

// leakFiles replaces docker's config.json with files that hang, exhaust memory, or are
// ambiguous: regshape neither waits for them nor overwrites them.
func leakFiles(t *testing.T, tried *tally) {
	auth := base64Of("alice:canary-in-the-file")
	files := map[string]func(path string) error{
		"huge": func(p string) error {
			if err := os.WriteFile(p, []byte(`{"auths":{}`), 0o600); err != nil {
				return err
			}
			return os.Truncate(p, 100<<20)
		},
		"FIFO":           func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"device":         func(p string) error { return os.Symlink("/dev/zero", p) },
		"loop":           func(p string) error { return os.Symlink(p, p) },
		"folder":         func(p string) error { return os.Mkdir(p, 0o700) },
		"behind a file":  func(p string) error { return os.Symlink("/dev/null/x", p) },
		"terminal":       func(p string) error { return os.Symlink("/dev/tty", p) },
		"its own memory": func(p string) error { return os.Symlink("/proc/self/mem", p) },
	}
	for name, text := range map[string]string{
		"nesting":        strings.Repeat(`{"a":[`, 100_000),
		"closed nesting": `{"a":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`,
		"twice":          `{"auths":{"x.example":{"auth":"` + auth + `"},"x.example":{"auth":"` + base64Of("bob:canary-in-the-file") + `"}},"auths":{}}`,
		"BOM":            "\ufeff{\"auths\":{\"x.example\":{\"auth\":\"" + auth + "\"}}}",
		"UTF-16":         "\xff\xfe{\x00}\x00",
		"no UTF-8":       "{\"auths\":{\"x.example\xff\":{\"auth\":\"" + auth + "\"}}}",
		"NUL":            "{\"auths\":{}}\x00",
		"array":          `[{"auths":{}}]`,
		"wrong types":    `{"auths":[],"credHelpers":"x","credsStore":{}}`,
		"a number":       `{"auths":{"x.example":{"auth":` + strings.Repeat("9", 100_000) + `}}}`,
	} {
		files[name] = func(p string) error { return os.WriteFile(p, []byte(text), 0o600) }
	}
	for name, replace := range files {
		tried.parallel(t, name, func(s *scene) {
			s.secrets = append(s.secrets, "canary-in-the-file")
			s.write(".docker/readme", "", 0o600)
			path := s.path(".docker", "config.json")
			if err := replace(path); err != nil {
				s.t.Fatal(err)
			}
			before := contentOf(path)
			for _, words := range readers() {
				o := s.run(s.secret(), append([]string{"regshape"}, words...)...)
				s.silent(strings.Join(words, " "), o.text())
				edits := len(words) > 1 && (words[1] == "setup" || words[1] == "logout") && o.code == 0
				after := contentOf(path)
				if after != before && !edits {
					s.t.Errorf("%q wrote over it:\n%.300q\nwas\n%.300q", words, after, before)
				}
				before = after
			}
		})
	}
	tried.parallel(t, "helper names", leakHelperNames)
}

// contentOf describes what is at a path, without opening files that could block.
func contentOf(path string) string {
	info, err := os.Lstat(path)
	if err != nil {
		return err.Error()
	}
	if !info.Mode().IsRegular() || info.Size() > 1<<20 {
		link, _ := os.Readlink(path)
		return info.Mode().String() + " " + link
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// leakHelperNames configures helper names that are not names, with a program in every place
// that such a name could resolve to.
func leakHelperNames(s *scene) {
	s.sample = testenv.NewSample(s.t, 3)
	ran := s.path("ran")
	trap := "#!/bin/sh\necho \"$0 $*\" >>'" + ran + "'\n"
	names := []string{"../evil", "/abs", s.path("abs"), "a b", "", "-rf", "x/y", "nul\x00", "x;touch ran", "$(touch ran)", "..", ".", "a\nb", strings.Repeat("a", 300), "ä"}
	for _, path := range []string{
		"bin/evil", "evil", "abs", "bin/docker-credential-", "bin/docker-credential-a b", "bin/docker-credential-a", "bin/docker-credential-nul", "bin/docker-credential-x/y",
		"bin/docker-credential-..", "docker-credential-/abs", "bin/docker-credential-x", "bin/docker-credential-ä", "bin/docker-credential-a\nb", "docker-credential-../evil",
	} {
		if path == "bin/docker-credential-x" || path == "bin/docker-credential-.." || path == "docker-credential-../evil" {
			continue // a directory of that name stands there, or a file elsewhere
		}
		s.write(path, trap, 0o700)
	}
	s.env = []string{"PATH=" + s.path("bin") + ":" + os.Getenv("PATH")}
	for _, name := range names {
		quoted, _ := json.Marshal(name) // a string always marshals
		for _, config := range []string{`{"credsStore":` + string(quoted) + `}`, `{"credHelpers":{"x.example":` + string(quoted) + `}}`} {
			s.write(".docker/config.json", config, 0o600)
			for _, words := range [][]string{{"get", "x.example"}, {"import"}, {"logout", "x.example"}, {"login", "x.example", "-u", "alice", "--password-stdin", "--skip-verify"}, {"import", "--from=helper:" + name}} {
				if strings.HasPrefix(words[len(words)-1], "--from") && (strings.Contains(config, "credsStore") || strings.Contains(name, "\x00")) {
					continue // it does not depend on the config; and no argument can hold a NUL
				}
				if !s.sample.Take(name, config[:12], words[0], len(words)) {
					continue
				}
				s.silent(name, s.run(s.secret(), append([]string{"regshape", "auth"}, words...)...).text())
			}
		}
		conf, _ := json.Marshal([]string{name}) // strings always marshal
		s.write(".config/containers/registries.conf", "credential-helpers = "+string(conf)+"\n", 0o600)
		s.silent(name, s.run("", "regshape", "auth", "get", "x.example").text())
		if err := os.Remove(s.path(".config", "containers", "registries.conf")); err != nil {
			s.t.Fatal(err)
		}
		if data, err := os.ReadFile(ran); err == nil {
			s.t.Errorf("helper name %q: something was run: %s", name, data)
			_ = os.Remove(ran)
		}
	}
	// The trap works.
	s.write("bin/docker-credential-good", trap, 0o700)
	s.write(".docker/config.json", `{"credsStore":"good"}`, 0o600)
	s.run("", "regshape", "auth", "get", "x.example")
	if _, err := os.Stat(ran); err != nil {
		s.t.Errorf("a helper that may be run was not: %v", err)
	}
}

// leakPath puts programs into directories that PATH names relative to the current one, under
// every name that regshape would run.
func leakPath(t *testing.T, tried *tally) {
	own := os.Getenv("PATH")
	for _, path := range []string{".:" + own, ":" + own, own + ":", "rel:" + own, "./rel:" + own, "rel/../rel:" + own} {
		s := newScene(t, tried)
		ran := s.path("ran")
		trap := "#!/bin/sh\necho \"$0 $*\" >>'" + ran + "'\nexit 1\n"
		for _, name := range []string{"docker-credential-evil", "age-plugin-evil", "vault-evil", "docker-credential-regshape-evil", "docker", "podman", "skopeo", "buildah"} {
			s.write(name, trap, 0o700)
			s.write(filepath.Join("rel", name), trap, 0o700)
		}
		s.env = []string{"PATH=" + path, "DISPLAY=:0"}
		s.write(".docker/config.json", `{"credsStore":"evil","credHelpers":{"x.example":"evil","y.example":"regshape-evil"}}`, 0o600)
		s.write("identity", "AGE-PLUGIN-EVIL-10QVD2N36\n", 0o600)
		for _, words := range [][]string{
			{},
			{"auth", "get", "x.example"},
			{"auth", "get", "z.example"},
			{"auth", "import"},
			{"auth", "import", "--from=helper:evil"},
			{"auth", "logout", "x.example"},
			{"auth", "doctor"},
			{"auth", "login", "x.example", "-u", "alice", "--password-stdin", "--skip-verify"},
			{"auth", "setup", "--dry-run"},
			{"auth", "key", "protect", "--command=vault-evil"},
			{"auth", "key", "protect", "--recipient=age1evil1qqqqqqqqqqqqq"},
			{"auth", "key", "backup", "--recipient=age1evil1qqqqqqqqqqqqq"},
		} {
			o := s.run(s.secret(), append([]string{"regshape"}, words...)...)
			s.silent(path, o.text())
			if data, err := os.ReadFile(ran); err == nil {
				t.Errorf("PATH=%s…: %q ran %s", path[:min(12, len(path))], words, data)
				_ = os.Remove(ran)
			}
		}
		// From a directory with a whole path it is run: the trap works.
		s.env[0] = "PATH=" + s.path("rel") + ":" + own
		s.run("", "regshape", "auth", "get", "x.example")
		if _, err := os.Stat(ran); err != nil {
			t.Errorf("a helper that may be run was not: %v", err)
		}
	}
}
