//go:build e2e

package e2e

import (
	"io/fs"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"regshape/scripts/testregistry"
)

// A batch job has a store of its own. Its logins, and what its tools do, leave that of
// the home as it was.
func TestBatchStore(t *testing.T) {
	s := newShared(t)
	h := accountsHome(t, s)
	h.login(s.reader, s.reader.password).ok("Login Succeeded").quiet()
	own := h.ownFiles()
	look := func(as *registry) {
		t.Helper()
		s.forget()
		for _, tool := range tools {
			tool.look(h, as).ok().quiet()
		}
		h.crane("manifest", as.ref()).ok("schemaVersion").quiet()
		s.asked(t, as)
	}
	look(s.reader)

	login := []string{"auth", "login", s.writer.host, "-u", s.writer.user, "--password-stdin"}
	batch := filepath.Join(h.dir, "batch")
	h.runIn(s.writer.password, "regshape", append([]string{"--store", batch}, login...)...).ok("Login Succeeded", batch).quiet()
	h.stores(map[string]string{s.reader.host: s.reader.user})
	look(s.reader) // --store is for one command

	outside := h.env
	h.env = append(slices.Clone(outside), "REGSHAPE_STORE="+batch)
	h.stores(map[string]string{s.writer.host: s.writer.user})
	look(s.writer)
	h.dockerPush(s.writer, "by-batch").ok("sha256:").quiet()
	h.dockerLogin(s.reader).ok("Login Succeeded").quiet()
	h.stores(map[string]string{s.reader.host: s.reader.user})
	h.runIn(s.writer.password, "regshape", login...).ok("Login Succeeded").quiet()
	h.run("regshape", "auth", "logout", "--all").ok().quiet()
	h.stores(map[string]string{})
	h.run("skopeo", "inspect", "docker://"+s.writer.ref()).refused().quiet()

	h.env = outside
	look(s.reader)
	if now := h.ownFiles(); !slices.Equal(now, own) {
		t.Errorf("the home's store has changed:\n%q\nbefore:\n%q", now, own)
	}
}

// ownFiles are the files of the home's store, each with what it holds.
func (h *home) ownFiles() []string {
	h.t.Helper()
	var files []string
	for _, dir := range []string{".local/share/regshape", ".local/state/regshape", ".config/regshape"} {
		h.must(filepath.WalkDir(filepath.Join(h.dir, dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			files = append(files, path+"\n"+string(data))
			return err
		}))
	}
	return files
}

// A locked profile keeps nobody from the default store and from what is public, and the
// line that every client shows names the profile.
func TestLockedProfile(t *testing.T) {
	const (
		line       = "store is locked: run 'regshape --profile work auth unlock'"
		passphrase = "a passphrase for work"
	)
	s := newShared(t)
	h := accountsHome(t, s)
	h.secrets = append(h.secrets, passphrase)
	private := registries[0]
	public := testregistry.New(testregistry.Options{})
	if _, err := public.Seed(image, "latest"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(public)
	defer server.Close()
	open := &registry{name: "public", host: server.Listener.Addr().String()}
	h.allowHTTP(open.host)

	h.login(private, private.password).ok("Login Succeeded").quiet()
	h.work(s.writer.password, "auth", "login", s.writer.host, "-u", s.writer.user, "--password-stdin").ok("Login Succeeded")
	helpers := map[string]string{s.writer.host: "regshape-work", open.host: "regshape-work"}
	h.writeJSON(".docker/config.json", map[string]any{"credsStore": "regshape", "credHelpers": helpers})
	helpers = maps.Clone(helpers)
	helpers[private.host] = "regshape"
	h.writeJSON("run/containers/auth.json", map[string]any{"credHelpers": helpers})
	conf, err := os.ReadFile(filepath.Join(h.dir, registriesConf))
	h.must(err)
	h.write(registriesConf, strings.Replace(string(conf), helperLine, "", 1))

	h.work(passphrase+"\n", "auth", "key", "protect", "--passphrase-file", "-").ok().quiet()
	t.Cleanup(func() { h.work("", "auth", "lock") })
	h.allSee(s.writer)
	h.work("", "auth", "lock").ok().quiet()
	for _, tool := range tools {
		tool.look(h, s.writer).refused(line).quiet()
		tool.look(h, open).ok().quiet()
		tool.look(h, private).ok().quiet()
	}
	h.crane("manifest", s.writer.ref()).refused(line).quiet()
	h.crane("manifest", open.ref()).ok("schemaVersion").quiet()
	h.crane("manifest", private.ref()).ok("schemaVersion").quiet()

	// What the line says, with a passphrase from standard input.
	command := strings.Fields(line[strings.Index(line, "'")+1 : len(line)-1])
	h.runIn(passphrase+"\n", command[0], append(command[1:], "--passphrase-file", "-")...).ok().quiet()
	h.allSee(s.writer)
	h.crane("manifest", s.writer.ref()).ok("schemaVersion").quiet()
}
