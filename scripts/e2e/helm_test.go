//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// Helm's login goes past docker's file, into pass where it finds that, else into its own file.
// After setup it goes into the store, and its logout takes it out again.
func TestHelm(t *testing.T) {
	for goes, config := range map[string]string{
		"docker-credential-pass": "",
		"this file, unencrypted": `{"auths": {"unrelated.example": {}}}`, // with it helm takes no helper
	} {
		t.Run(goes, func(t *testing.T) { helmLogin(t, registries[0], goes, config) })
	}
}

func helmLogin(t *testing.T, r *registry, goes, config string) {
	h := newHome(t)
	self, err := os.Executable()
	h.must(err)
	bin := filepath.Join(h.dir, "tmp", "bin")
	h.must(os.MkdirAll(bin, 0o700))
	for name, program := range map[string]string{"docker-credential-pass": self, "pass": "/bin/true"} {
		h.must(os.Symlink(program, filepath.Join(bin, name)))
	}
	h.prependPath(bin)
	if config != "" {
		h.write(helmConfig, config)
	}
	h.write("chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: "+pushedTag+"\n")
	h.run("helm", "package", "chart", "-d", "tmp").ok()
	login := func() {
		h.runIn(r.password, "helm", "registry", "login", r.host, "-u", r.user, "--password-stdin", "--plain-http").ok("Login Succeeded").quiet()
	}
	push := func() result {
		return h.run("helm", "push", filepath.Join("tmp", "chart-"+pushedTag+".tgz"), "oci://"+r.host+"/charts", "--plain-http").quiet()
	}

	login()
	h.stores(map[string]string{})
	h.run("regshape", "auth", "doctor").refused("helm does not use regshape: its logins go to "+goes, "fix: regshape auth setup --helm").quiet()
	before := h.files()

	h.run("regshape", "auth", "setup").ok("Imported "+r.host, "credsStore: ").quiet()
	h.run("regshape", "auth", "doctor").says("ok  helm uses regshape").quiet()
	push().ok()
	h.run("helm", "registry", "logout", r.host).ok().quiet()
	h.notFound(r.host)
	push().refused()

	login()
	if user, secret := h.secretOf(r.host); user != r.user || secret != r.password {
		t.Errorf("stored user %q, or another secret than the password", user)
	}
	h.run("regshape", "auth", "list").ok(r.host).quiet()
	push().ok()
	h.run("helm", "pull", "oci://"+r.host+"/charts/chart", "--version", pushedTag, "-d", "tmp", "--plain-http").ok().quiet()

	h.run("regshape", "auth", "setup", "--undo").ok().quiet()
	h.sameFiles(before)

	// The password is in these two, as helm and the stand-in for pass wrote it.
	h.must(os.RemoveAll(filepath.Join(h.dir, heldBy("pass"))))
	h.must(os.Remove(filepath.Join(h.dir, helmConfig)))
}
