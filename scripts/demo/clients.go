package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
)

// client is a program other than regshape that wants the private image.
type client struct {
	name string
	args func(s *stage) []string
	// works says why the program, though installed, cannot do its part here; nil: it
	// always can.
	works func(s *stage) string
}

// clients are asked in this order. None of the commands needs a daemon.
var clients = []client{
	{name: "docker", args: func(s *stage) []string {
		return []string{"manifest", "inspect", "--insecure", s.host + "/" + repo}
	}},
	{name: "podman", args: func(s *stage) []string {
		return []string{"pull", "--quiet", "--tls-verify=false", s.host + "/" + repo}
	}, works: func(s *stage) string {
		if runtime.GOOS != "linux" {
			return "needs a virtual machine on this system"
		}
		// Inside a container without user namespaces podman does nothing at all.
		if s.try("", "podman", "info").err != nil {
			return "installed, but 'podman info' fails on this machine"
		}
		return ""
	}},
	{name: "skopeo", args: func(s *stage) []string {
		return []string{"inspect", "--tls-verify=false", "docker://" + s.host + "/" + repo}
	}},
}

// absent says why a client is left out, or returns "". It asks each client once.
func (c client) absent(s *stage) string {
	reason, known := s.missing[c.name]
	if known {
		return reason
	}
	if _, err := exec.LookPath(c.name); err != nil {
		reason = "not on this machine"
	} else if c.works != nil {
		reason = c.works(s)
	}
	s.missing[c.name] = reason
	return reason
}

// configure writes into HOME what makes each client use regshape; a user has it
// from the README.
func (s *stage) configure() error {
	in := func(name string) string { return filepath.Join(s.home, name) }
	s.env = append(s.env,
		"DOCKER_CONFIG="+in(".docker"),
		// Podman, as root, would use the machine's storage and ignore HOME.
		"CONTAINERS_STORAGE_CONF="+in(".config/containers/storage.conf"),
		"CONTAINERS_CONF="+in(".config/containers/containers.conf"),
	)
	for name, content := range map[string]string{
		".docker/config.json":                `{"credsStore":"regshape"}` + "\n",
		".config/containers/policy.json":     `{"default":[{"type":"insecureAcceptAnything"}]}` + "\n",
		".config/containers/registries.conf": `credential-helpers = ["regshape"]` + "\n",
		// vfs works on every file system, below other containers too.
		".config/containers/storage.conf": fmt.Sprintf("[storage]\ndriver = \"vfs\"\ngraphroot = %q\nrunroot = %q\n", in("images"), in("run/c")),
		".config/containers/containers.conf": fmt.Sprintf("[engine]\nevents_logger = \"file\"\ncgroup_manager = \"cgroupfs\"\ntmp_dir = %q\n"+
			"static_dir = %q\nvolume_path = %q\n", in("run/p"), in("images/libpod"), in("images/volumes")),
	} {
		if err := s.write(name, content); err != nil {
			return err
		}
	}
	return nil
}
