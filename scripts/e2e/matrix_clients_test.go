//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// clients are the rows of the matrix. No command but login is given a credential.
func clients() []*client {
	return slices.Concat(
		dockerClients("docker", ""), dockerClients(debianDocker, "-debian"),
		[]*client{
			podman("podman", "podman"), podman("podman-debian", debianPodman), skopeo(),
			buildah("buildah", "buildah"), buildah("buildah-debian", debianBuildah),
			crane(), regctl(), helm(), oras(), orasGo(), goContainerRegistry(),
		})
}

// containersLogin is the login of podman, skopeo and buildah, which is one. Each gets the
// flags that keep it off the machine's own storage.
func containersLogin(program string, flags func(*cell) []string) (login, list, logout action) {
	name := filepath.Base(program)
	run := func(c *cell, stdin string, args ...string) result {
		return c.runIn(stdin, program, append(flags(c), args...)...)
	}
	login = action{text: "`" + name + " login`", noToken: "invalid username/password", run: func(c *cell) result {
		return run(c, c.secret, "login", "-u", c.user, "--password-stdin", c.r.host)
	}}
	list = action{text: "`" + name + " login --get-login`", noToken: "not logged into", run: func(c *cell) result {
		return run(c, "", "login", "--get-login", c.r.host)
	}}
	logout = action{text: "`" + name + " logout`", run: func(c *cell) result { return run(c, "", "logout", c.r.host) }}
	return login, list, logout
}

func podman(name, program string) *client {
	own := func(c *cell, args ...string) result { return c.run(program, append(c.podmanFlags(), args...)...) }
	login, list, logout := containersLogin(program, func(c *cell) []string { return c.podmanFlags() })
	return &client{
		name: name, uses: []string{program}, login: login, list: list, logout: logout,
		inspect: action{text: "`podman search --list-tags`", run: func(c *cell) result {
			return own(c, "search", "--list-tags", c.repositoryOf(c.r.ref()))
		}},
		pull: action{text: "`podman pull`", run: func(c *cell) result { return own(c, "pull", "--quiet", c.r.ref()) }},
		push: action{text: "`podman push`", run: func(c *cell) result { return own(c, "push", "--quiet", c.r.ref(), c.target()) }},
	}
}

func skopeo() *client {
	login, list, logout := containersLogin("skopeo", func(*cell) []string { return nil })
	return &client{
		name: "skopeo", uses: []string{"skopeo"}, login: login, list: list, logout: logout,
		inspect: action{text: "`skopeo inspect`", run: func(c *cell) result { return c.run("skopeo", "inspect", "docker://"+c.r.ref()) }},
		pull: action{text: "`skopeo copy docker://… dir:…`", run: func(c *cell) result {
			return c.run("skopeo", "copy", "--quiet", "docker://"+c.r.ref(), "dir:"+c.file("tmp", "image"))
		}},
		push: action{text: "`skopeo copy dir:… docker://…`", run: func(c *cell) result {
			return c.run("skopeo", "copy", "--quiet", "dir:"+c.file("tmp", "image"), "docker://"+c.target())
		}},
	}
}

func buildah(name, program string) *client {
	flags := func(c *cell) []string {
		return []string{"--root", c.file("podman"), "--runroot", c.file("podman-run"), "--storage-driver", "vfs"}
	}
	own := func(c *cell, args ...string) result { return c.run(program, append(flags(c), args...)...) }
	login, list, logout := containersLogin(program, flags)
	return &client{
		name: name, uses: []string{program}, login: login, list: list, logout: logout,
		inspect: action{text: "`buildah inspect` looks into buildah's own storage only"},
		pull: action{text: "`buildah pull`", run: func(c *cell) result {
			// What it has already, it does not ask for otherwise.
			return own(c, "pull", "--quiet", "--policy", "always", c.r.ref())
		}},
		push: action{text: "`buildah push`", run: func(c *cell) result { return own(c, "push", "--quiet", c.r.ref(), "docker://"+c.target()) }},
	}
}

func crane() *client {
	return &client{
		name: "crane", uses: []string{"crane"},
		prepare: func(c *cell) {
			if ca := c.caFile(); ca != "" {
				c.setenv("SSL_CERT_FILE", ca)
			}
		},
		login: action{text: "`crane auth login`", run: func(c *cell) result {
			return c.runIn(c.secret, "crane", "auth", "login", c.r.host, "-u", c.user, "--password-stdin")
		}},
		// It prints the credential: that is what the command is for.
		list:    action{text: "`crane auth get`", printsSecret: true, run: func(c *cell) result { return c.run("crane", "auth", "get", c.r.host) }},
		inspect: action{text: "`crane manifest`", run: func(c *cell) result { return c.run("crane", "manifest", c.r.ref()) }},
		pull:    action{text: "`crane pull`", run: func(c *cell) result { return c.run("crane", "pull", c.r.ref(), c.file("tmp", "image.tar")) }},
		push:    action{text: "`crane push`", run: func(c *cell) result { return c.run("crane", "push", c.file("tmp", "image.tar"), c.target()) }},
		logout:  action{text: "`crane auth logout`", run: func(c *cell) result { return c.run("crane", "auth", "logout", c.r.host) }},
	}
}

func regctl() *client {
	return &client{
		name: "regctl", uses: []string{"regctl"},
		prepare: func(c *cell) {
			if c.plainHTTP() {
				c.run("regctl", "registry", "set", c.r.host, "--tls", "disabled", "--skip-check").ok()
			} else if c.caFile() != "" {
				c.run("regctl", "registry", "set", c.r.host, "--cacert", string(c.r.caPEM), "--skip-check").ok()
			}
		},
		login: action{text: "`regctl registry login`", run: func(c *cell) result {
			return c.runIn(c.secret, "regctl", "registry", "login", c.r.host, "-u", c.user, "--pass-stdin")
		}},
		list:    action{text: "`regctl registry whoami` sees only what regctl's own file holds", refusal: "no login found", run: func(c *cell) result { return c.run("regctl", "registry", "whoami", c.r.host) }},
		inspect: action{text: "`regctl manifest get`", run: func(c *cell) result { return c.run("regctl", "manifest", "get", c.r.ref()) }},
		pull: action{text: "`regctl image export`", run: func(c *cell) result {
			return c.run("regctl", "image", "export", c.r.ref(), c.file("tmp", "image.tar"))
		}},
		push: action{text: "`regctl image import`", run: func(c *cell) result {
			return c.run("regctl", "image", "import", c.target(), c.file("tmp", "image.tar"))
		}},
		logout: action{
			text:  "`regctl registry logout` forgets only what regctl's own file holds; the cell ends with `regshape auth logout`",
			keeps: true,
			run:   func(c *cell) result { return c.run("regctl", "registry", "logout", c.r.host) },
		},
	}
}

func helm() *client {
	flags := func(c *cell, args ...string) []string {
		if c.plainHTTP() {
			return append(args, "--plain-http")
		}
		if ca := c.caFile(); ca != "" {
			return append(args, "--ca-file", ca)
		}
		return args
	}
	chart := func(c *cell) string { return "oci://" + c.r.host + "/" + c.repository() }
	return &client{
		name: "helm", uses: []string{"helm"},
		prepare: func(c *cell) {
			c.write(helmConfig, `{"credsStore":"regshape"}`)
			name := c.repository()[strings.LastIndex(c.repository(), "/")+1:]
			c.write("chart/Chart.yaml", "apiVersion: v2\nname: "+name+"\nversion: "+pushedTag+"\n")
			c.run("helm", "package", c.file("chart"), "-d", c.file("tmp")).ok()
			c.must(os.Rename(c.file("tmp", name+"-"+pushedTag+".tgz"), c.file("tmp", "chart.tgz")))
		},
		login: action{text: "`helm registry login`", noToken: "incorrect username or password", run: func(c *cell) result {
			return c.runIn(c.secret, "helm", flags(c, "registry", "login", c.r.host, "-u", c.user, "--password-stdin")...)
		}},
		list:      action{text: "helm has no such command"},
		pushFirst: true,
		push: action{text: "`helm push`", run: func(c *cell) result {
			return c.run("helm", flags(c, "push", c.file("tmp", "chart.tgz"), "oci://"+c.r.host+"/matrix")...)
		}},
		inspect: action{text: "`helm show chart`", run: func(c *cell) result {
			return c.run("helm", flags(c, "show", "chart", chart(c), "--version", pushedTag)...)
		}},
		pull: action{text: "`helm pull`", run: func(c *cell) result {
			return c.run("helm", flags(c, "pull", chart(c), "--version", pushedTag, "-d", c.file("tmp"))...)
		}},
		logout: action{text: "`helm registry logout`", run: func(c *cell) result { return c.run("helm", "registry", "logout", c.r.host) }},
	}
}

func oras() *client {
	flags := func(c *cell, args ...string) []string {
		if c.plainHTTP() {
			args = append(args, "--plain-http")
		}
		if ca := c.caFile(); ca != "" {
			args = append(args, "--ca-file", ca)
		}
		return args
	}
	own := func(c *cell, args ...string) result { return c.run("oras", flags(c, args...)...) }
	return &client{
		name: "oras", uses: []string{"oras"},
		login: action{text: "`oras login`", run: func(c *cell) result {
			if c.place.identity {
				return c.runIn(c.secret, "oras", flags(c, "login", "--identity-token-stdin", c.r.host)...)
			}
			return c.runIn(c.secret, "oras", flags(c, "login", "-u", c.user, "--password-stdin", c.r.host)...)
		}},
		list:    action{text: "oras has no such command"},
		inspect: action{text: "`oras manifest fetch`", run: func(c *cell) result { return own(c, "manifest", "fetch", c.r.ref()) }},
		pull: action{text: "`oras copy --to-oci-layout`", run: func(c *cell) result {
			args := []string{"copy", c.r.ref(), "--to-oci-layout", c.file("tmp", "image") + ":" + pushedTag}
			if c.plainHTTP() {
				args = append(args, "--from-plain-http")
			}
			if ca := c.caFile(); ca != "" {
				args = append(args, "--from-ca-file", ca)
			}
			return c.run("oras", args...)
		}},
		push: action{text: "`oras push`", run: func(c *cell) result {
			c.write("artifact.txt", "pushed by oras\n")
			return own(c, "push", c.target(), "artifact.txt:text/plain")
		}},
		logout: action{text: "`oras logout`", run: func(c *cell) result { return c.run("oras", "logout", c.r.host) }},
	}
}

// The two programs stand in clients/orasprobe and clients/ggcrprobe.
func orasGo() *client {
	return probe("oras-go", "orasprobe", func(c *cell) []string {
		if c.plainHTTP() {
			return []string{"-plain-http"}
		}
		return nil
	}, func(c *cell) string { return c.r.host })
}

func goContainerRegistry() *client {
	return probe("go-containerregistry", "ggcrprobe", func(*cell) []string { return nil }, func(c *cell) string { return c.r.ref() })
}

func probe(name, program string, flags func(*cell) []string, host func(*cell) string) *client {
	own := func(c *cell, stdin string, args ...string) result {
		all := flags(c)
		if ca := c.caFile(); ca != "" {
			all = append(all, "-ca", ca)
		}
		return c.runIn(stdin, program, append(all, args...)...)
	}
	return &client{
		name: name, uses: []string{program},
		login: action{text: "verifies, then stores", run: func(c *cell) result {
			if c.place.identity {
				return own(c, c.secret, "-identity-token", "login", host(c))
			}
			return own(c, c.secret, "-user", c.user, "login", host(c))
		}},
		list:    action{text: "looks the login up", run: func(c *cell) result { return own(c, "", "whoami", host(c)) }},
		inspect: action{text: "resolves a tag", run: func(c *cell) result { return own(c, "", "inspect", c.r.ref()) }},
		pull:    action{text: "copies an image", run: func(c *cell) result { return own(c, "", "pull", c.r.ref()) }},
		push:    action{text: "writes an image", run: func(c *cell) result { return own(c, "", "push", c.target()) }},
		logout:  action{text: "forgets the login", run: func(c *cell) result { return own(c, "", "logout", host(c)) }},
	}
}

// repositoryOf is a reference without its tag.
func (c *cell) repositoryOf(ref string) string { return ref[:strings.LastIndex(ref, ":")] }
