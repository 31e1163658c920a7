//go:build e2e

package e2e

import (
	"os"
	"strings"
)

// clients are the rows of the matrix. No command but login is given a credential.
func clients() []*client {
	return append(dockerClients(), podman(), skopeo(), buildah(), crane(), regctl(), helm(), orasGo(), goContainerRegistry())
}

// containersLogin is the login of podman, skopeo and buildah, which is one.
func containersLogin(program string) (login, list, logout action) {
	login = action{text: "`" + program + " login`", noToken: "invalid username/password", run: func(c *cell) result {
		return c.runIn(c.secret, program, "login", "-u", c.user, "--password-stdin", c.r.host)
	}}
	list = action{text: "`" + program + " login --get-login`", noToken: "not logged into", run: func(c *cell) result {
		return c.run(program, "login", "--get-login", c.r.host)
	}}
	logout = action{text: "`" + program + " logout`", run: func(c *cell) result {
		return c.run(program, "logout", c.r.host)
	}}
	return login, list, logout
}

func podman() *client {
	own := func(c *cell, args ...string) result { return c.run("podman", append(c.podmanFlags(), args...)...) }
	login, list, logout := containersLogin("podman")
	return &client{
		name: "podman", login: login, list: list, logout: logout,
		inspect: action{text: "`podman search --list-tags`", run: func(c *cell) result {
			return own(c, "search", "--list-tags", c.repositoryOf(c.r.ref()))
		}},
		pull: action{text: "`podman pull`", run: func(c *cell) result { return own(c, "pull", "--quiet", c.r.ref()) }},
		push: action{text: "`podman push`", run: func(c *cell) result { return own(c, "push", "--quiet", c.r.ref(), c.target()) }},
	}
}

func skopeo() *client {
	login, list, logout := containersLogin("skopeo")
	return &client{
		name: "skopeo", login: login, list: list, logout: logout,
		inspect: action{text: "`skopeo inspect`", run: func(c *cell) result { return c.run("skopeo", "inspect", "docker://"+c.r.ref()) }},
		pull: action{text: "`skopeo copy docker://… dir:…`", run: func(c *cell) result {
			return c.run("skopeo", "copy", "--quiet", "docker://"+c.r.ref(), "dir:"+c.file("tmp", "image"))
		}},
		push: action{text: "`skopeo copy dir:… docker://…`", run: func(c *cell) result {
			return c.run("skopeo", "copy", "--quiet", "dir:"+c.file("tmp", "image"), "docker://"+c.target())
		}},
	}
}

func buildah() *client {
	own := func(c *cell, args ...string) result {
		return c.run("buildah", append([]string{
			"--root", c.file("podman"), "--runroot", c.file("podman-run"), "--storage-driver", "vfs",
		}, args...)...)
	}
	login, list, logout := containersLogin("buildah")
	return &client{
		name: "buildah", login: login, list: list, logout: logout,
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
		name: "crane",
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
		name: "regctl",
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
		name: "helm",
		prepare: func(c *cell) {
			// Its own file would have the password in clear.
			c.setenv("HELM_REGISTRY_CONFIG", c.file(".docker", "config.json"))
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
		name: name,
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
