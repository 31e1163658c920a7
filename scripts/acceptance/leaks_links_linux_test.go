package acceptance

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// leakLinks replaces files of the store with links and files of other users. The program must
// name the path and not touch the target.
func leakLinks(t *testing.T, tried *tally) {
	for name, file := range map[string]string{
		"entry": entries, "key": keyPath, "names": stateDir + "/names", "config": ".config/regshape/config",
	} {
		s := newScene(t, tried)
		put := payload("h.example", "alice", s.secret())
		s.must(put, "docker-credential-regshape", "store")
		path := s.one(file)
		victim := s.write("elsewhere/victim", s.read(strings.TrimPrefix(path, s.home+"/")), 0o600)
		for how, replace := range map[string]func() error{
			"symbolic link":      func() error { return os.Symlink(victim, path) },
			"link to itself":     func() error { return os.Symlink(path, path) },
			"link that dangles":  func() error { return os.Symlink(s.path("elsewhere", "new"), path) },
			"FIFO":               func() error { return syscall.Mkfifo(path, 0o600) },
			"device":             func() error { return os.Symlink("/dev/zero", path) },
			"file of all others": func() error { return os.WriteFile(path, []byte("x"), 0o666) },
			"folder":             func() error { return os.Mkdir(path, 0o700) },
		} {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if err := replace(); err != nil {
				t.Fatal(err)
			}
			get := s.run("h.example", "docker-credential-regshape", "get")
			list := s.run("", "regshape", "auth", "list")
			// The names file is a shortcut and made anew; any other is refused by name.
			if name != "names" && (get.code == 0 || !strings.Contains(get.text()+list.text(), path)) {
				t.Errorf("%s in place of the %s: get says (%d)\n%s%s", how, name, get.code, s.redact(get.text()), s.redact(list.text()))
			}
			s.silent(how+" in place of the "+name, get.err+list.text())
			s.silent(how+" in place of the "+name, s.run(put, "docker-credential-regshape", "store").text())
			s.silent(how+" in place of the "+name, s.run("", "regshape", "auth", "doctor").text())
			if left, err := os.ReadDir(s.path("elsewhere")); err != nil || len(left) != 1 {
				t.Errorf("%s in place of the %s: there is %v, %v", how, name, left, err)
			}
		}
		if info, err := os.Stat(victim); err != nil || info.Mode().Perm() != 0o600 || info.Size() == 0 {
			t.Errorf("what the link led to in place of the %s is %v, %v", name, info, err)
		}
	}
	leakDirectories(t, tried)
	leakHardLink(t, tried)
	leakTargets(t, tried)
}

// leakDirectories makes the store's directories writable by others, or another user's.
func leakDirectories(t *testing.T, tried *tally) {
	const data = ".local/share/regshape"
	for _, dir := range []string{data, data + "/v1", data + "/v1/g-*", stateDir, ".config/regshape"} {
		s := newScene(t, tried)
		put := payload("h.example", "alice", s.secret())
		s.must(put, "docker-credential-regshape", "store")
		path := s.one(dir)
		refused := func(how, want string) {
			t.Helper()
			before := treeOf(t, s.home)
			for _, words := range [][]string{
				{"docker-credential-regshape", "get"},
				{"docker-credential-regshape", "store"},
				{"docker-credential-regshape", "erase"},
				{"regshape", "auth", "list"},
				{"regshape", "auth", "key", "rotate"},
				{"regshape", "auth", "login", "h.example", "-u", "alice", "--password-stdin", "--skip-verify"},
			} {
				input := put
				if words[1] == "get" || words[1] == "erase" {
					input = "h.example"
				}
				o := s.run(input, words...)
				if o.code == 0 || !strings.Contains(o.text(), path) || !strings.Contains(o.text(), want) {
					t.Errorf("%s, %s, %q: exit code %d, want %q:\n%s", dir, how, words[:2], o.code, want, s.redact(o.text()))
				}
				s.silent(dir, o.err)
			}
			if after := treeOf(t, s.home); after != before {
				t.Errorf("%s, %s: got\n%s\nwant as before\n%s", dir, how, after, before)
			}
		}
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
		refused("writable by others", "chmod 700")
		if err := os.Chmod(path, 0o700|os.ModeSticky); err != nil {
			t.Fatal(err)
		}
		if os.Geteuid() != 0 {
			t.Log("only root can give a directory away: that of another user is not tried")
			continue
		}
		if err := os.Chown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		refused("of another user", "uid 65534")
		if err := os.Rename(path, path+".theirs"); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path+".theirs", path); err != nil {
			t.Fatal(err)
		}
		why := "uid 65534"
		if strings.Contains(dir, "v1") {
			why = "symbolic link"
		}
		refused("a link to another user's", why)
		if err := os.Lchown(path+".theirs", 0, 0); err != nil {
			t.Fatal(err)
		}
		if why == "symbolic link" {
			refused("a link to a directory of one's own", why)
		}
	}
}

// leakHardLink links another user's file into the store's directory, which a kernel without
// fs.protected_hardlinks allows to anyone who can write there.
func leakHardLink(t *testing.T, tried *tally) {
	s := newScene(t, tried)
	put := payload("h.example", "alice", s.secret())
	s.must(put, "docker-credential-regshape", "store")
	entry := s.one(entries)
	theirs := s.write("theirs", "precious\n", 0o600)
	if os.Geteuid() == 0 {
		if err := os.Chown(theirs, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(entry); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(theirs, entry); err != nil {
		t.Fatal(err)
	}
	o := s.run("h.example", "docker-credential-regshape", "get")
	if o.code == 0 || !strings.Contains(o.text(), entry) {
		t.Errorf("a hard link for an entry: %s", s.redact(o.text()))
	}
	s.must(put, "docker-credential-regshape", "store")
	s.must("h.example", "docker-credential-regshape", "get")
	if s.read("theirs") != "precious\n" {
		t.Error("a hard link was written through")
	}
	tried.looks.Add(1)
}

// leakTargets covers files that the user names and that someone else created first.
func leakTargets(t *testing.T, tried *tally) {
	s := newScene(t, tried)
	put := payload("h.example", "alice", s.secret())
	s.must(put, "docker-credential-regshape", "store")
	victim := s.write("victim", "", 0o644)
	login := []string{"regshape", "auth", "login", "x.example", "-u", "alice", "--password-stdin", "--skip-verify"}
	at := func(name string, make func(path string) error) string {
		path := s.path(name)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fifo := func(path string) error { return syscall.Mkfifo(path, 0o666) }
	for _, words := range [][]string{
		append(login[:8:8], "--log-file="+at("log-fifo", fifo)),
		{"regshape", "auth", "list", "--log-file=" + at("log-folder", func(p string) error { return os.Mkdir(p, 0o777) })},
		append(login[:8:8], "--authfile="+at("auth-fifo", fifo)),
		append(login[:8:8], "--authfile="+at("auth-folder", func(p string) error { return os.Mkdir(p, 0o777) })),
		append(login[:8:8], "--store="+at("store-fifo", fifo)),
		append(login[:8:8], "--store="+at("store-file", func(p string) error { return os.WriteFile(p, nil, 0o666) })),
	} {
		o := s.run(s.secret(), words...)
		_, path, _ := strings.Cut(words[len(words)-1], "=")
		if o.code == 0 || !strings.Contains(o.text(), filepath.Base(path)) {
			t.Errorf("%q: exit code %d:\n%s", words[len(words)-1], o.code, s.redact(o.text()))
		}
		s.silent(words[len(words)-1], o.text())
	}
	// A log may be appended behind a link: it holds nothing that is secret.
	link := at("log-link", func(p string) error { return os.Symlink(victim, p) })
	s.must(s.secret(), append(login[:8:8], "--log-file="+link)...)
	s.silent("log behind a link", s.read("victim"))
	// A file of logins behind a link is replaced there, as docker does, for its owner alone
	// where it is new.
	at("new", func(p string) error { return os.Mkdir(p, 0o700) })
	link = at("auth-link", func(p string) error { return os.Symlink(s.path("new", "auth.json"), p) })
	s.must(s.secret(), append(login[:8:8], "--authfile="+link)...)
	if info, err := os.Stat(s.path("new", "auth.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a new file behind a link: %v, %v", info, err)
	}
	// A parent that others can write, sticky or not: the store in it is the user's alone.
	for _, mode := range []os.FileMode{0o777, 0o777 | os.ModeSticky} {
		parent := at(mode.String(), func(p string) error { return os.Mkdir(p, 0o777) })
		if err := os.Chmod(parent, mode); err != nil {
			t.Fatal(err)
		}
		s.must(s.secret(), append(login[:8:8], "--store="+filepath.Join(parent, "store"))...)
		if info, err := os.Stat(filepath.Join(parent, "store")); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("a store below a directory of all: %v, %v", info, err)
		}
		if os.Geteuid() == 0 { // somebody puts their own in its place
			if err := os.Chown(filepath.Join(parent, "store"), nobody, nobody); err != nil {
				t.Fatal(err)
			}
			if o := s.run(s.secret(), append(login[:8:8], "--store="+filepath.Join(parent, "store"))...); o.code == 0 || !strings.Contains(o.err, "uid 65534") {
				t.Errorf("another's store below a directory of all: exit code %d:\n%s", o.code, s.redact(o.text()))
			}
		}
	}
}
