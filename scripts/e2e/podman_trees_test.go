//go:build e2e

package e2e

import "strings"

// podmanTree is a machine with files of registries.conf, as podman of each generation finds
// its helpers in them: h1, h2 and h3, which are on PATH, and containers-auth.json.
type podmanTree struct {
	name  string
	files map[string]string // below etc for /etc/containers, usr for /usr/share/containers, or the home
	links map[string]string // symbolic links in the home, and their targets
	env   []string          // HOME stands for the home
	user  bool              // the user is not root
	apart bool              // podman 4.3 differs from later ones before podman 6
	// deaf are the rules by which nothing that setup writes has podman ask regshape.
	deaf string
}

const (
	mainConf = ".config/containers/registries.conf"
	dropIns  = ".config/containers/registries.conf.d/"
	allRules = "podman5 skopeo1 podman6"
)

// asking is a file that names helpers.
func asking(helpers ...string) string {
	return "credential-helpers = [\"" + strings.Join(helpers, `", "`) + "\"]\n"
}

var podmanTrees = []podmanTree{
	{name: "nothing"},
	{name: "the user's main file", files: map[string]string{mainConf: asking("h1", "h2")}},
	{name: "the system's main file", files: map[string]string{"etc/registries.conf": asking("h1", "containers-auth.json")}},
	{name: "the vendor's main file", files: map[string]string{"usr/registries.conf": asking("h1")}},
	{name: "all main files", files: map[string]string{"usr/registries.conf": asking("h1"), "etc/registries.conf": asking("h2"), mainConf: asking("h3")}},
	{name: "the user's main file is silent", files: map[string]string{"etc/registries.conf": asking("h2"), mainConf: "short-name-mode = \"enforcing\"\n"}},
	{name: "the files first, then a helper", files: map[string]string{mainConf: asking("containers-auth.json", "h1")}},
	{name: "a drop-in of the user's", files: map[string]string{dropIns + "50-a.conf": asking("h2", "h1"), mainConf: asking("h1")}},
	{name: "later drop-ins win", files: map[string]string{dropIns + "50-a.conf": asking("h2"), dropIns + "60-b.conf": asking("h3", "h2")}},
	{name: "a later drop-in is silent", files: map[string]string{dropIns + "50-a.conf": asking("h2"), dropIns + "60-b.conf": "unqualified-search-registries = []\n"}},
	{name: "a later drop-in is empty", files: map[string]string{dropIns + "50-a.conf": asking("h2"), dropIns + "60-b.conf": "credential-helpers = []\n"}},
	{name: "the last drop-in is empty", files: map[string]string{dropIns + "zzz.conf": "credential-helpers = []\n"}, deaf: allRules},
	{name: "a drop-in of the system's", files: map[string]string{"etc/registries.conf.d/10-corp.conf": asking("h1")}},
	{name: "a drop-in of the vendor's", files: map[string]string{"usr/registries.conf.d/60-vendor.conf": asking("h1")}},
	{name: "a late drop-in of the system's", files: map[string]string{"etc/registries.conf.d/99-corp.conf": asking("h1")}},
	{name: "a late drop-in of the system's beside the user's", files: map[string]string{"etc/registries.conf.d/99-corp.conf": asking("h1"), dropIns + "50-a.conf": asking("h2")}},
	{name: "a later one", files: map[string]string{"etc/registries.conf.d/zz-corp.conf": asking("h1"), "usr/registries.conf.d/99-vendor.conf": asking("h2")}},
	{name: "the last drop-in of the system's", files: map[string]string{"etc/registries.conf.d/zzz.conf": asking("h1")}, deaf: "podman6"},
	{name: "the last drop-in of the user's", files: map[string]string{dropIns + "zzz.conf": asking("h1")}, deaf: allRules},
	{name: "the user's file masks the system's", files: map[string]string{"etc/registries.conf.d/60-a.conf": asking("h1"), dropIns + "60-a.conf": "short-name-mode = \"enforcing\"\n"}},
	{name: "the system's file masks the vendor's", files: map[string]string{"usr/registries.conf.d/60-a.conf": asking("h1"), "etc/registries.conf.d/60-a.conf": asking("h2")}},
	{name: "the user's main file beside the system's drop-ins", files: map[string]string{mainConf: asking("h1"), "etc/registries.conf.d/10-corp.conf": asking("h2"), "etc/registries.conf": asking("h3")}},
	{name: "drop-ins for root", files: map[string]string{"etc/registries.rootful.conf.d/60-a.conf": asking("h1"), "etc/registries.conf.d/60-a.conf": asking("h2"), "usr/registries.rootful.conf.d/70-b.conf": asking("h3")}},
	{name: "drop-ins for others than root", files: map[string]string{"etc/registries.rootless.conf.d/60-a.conf": asking("h1"), "etc/registries.rootless.conf.d/1000/60-a.conf": asking("h2")}},
	{name: "as a user, drop-ins for others than root", user: true, files: map[string]string{"etc/registries.rootless.conf.d/60-a.conf": asking("h1"), "etc/registries.conf.d/60-a.conf": asking("h2")}},
	{name: "as a user, drop-ins for this one", user: true, files: map[string]string{"etc/registries.rootless.conf.d/1000/60-a.conf": asking("h1"), "etc/registries.rootless.conf.d/60-a.conf": asking("h2"), "usr/registries.rootless.conf.d/1001/70-b.conf": asking("h3")}},
	{name: "as a user, drop-ins of the vendor's", user: true, files: map[string]string{"usr/registries.rootless.conf.d/99-a.conf": asking("h1"), dropIns + "20-own.conf": asking("h2")}},
	{name: "as a user, drop-ins for root", user: true, files: map[string]string{"etc/registries.rootful.conf.d/60-a.conf": asking("h1"), mainConf: asking("h2")}},
	{name: "XDG_CONFIG_HOME, a main file", env: []string{"XDG_CONFIG_HOME=HOME/xdg"}, files: map[string]string{"xdg/containers/registries.conf": asking("h1"), mainConf: asking("h2")}},
	{name: "XDG_CONFIG_HOME, drop-ins", env: []string{"XDG_CONFIG_HOME=HOME/xdg"}, files: map[string]string{"xdg/containers/registries.conf.d/60-a.conf": asking("h1"), dropIns + "70-b.conf": asking("h2")}},
	{name: "XDG_CONFIG_HOME, nothing there", env: []string{"XDG_CONFIG_HOME=HOME/xdg"}, files: map[string]string{mainConf: asking("h2"), "etc/registries.conf": asking("h3")}},
	{name: "XDG_CONFIG_HOME, as usual", env: []string{"XDG_CONFIG_HOME=HOME/.config"}, files: map[string]string{dropIns + "60-a.conf": asking("h1")}},
	{name: "as a user, XDG_CONFIG_HOME", user: true, env: []string{"XDG_CONFIG_HOME=HOME/xdg"}, files: map[string]string{"etc/registries.conf.d/99-corp.conf": asking("h1")}},
	{name: "a variable", env: []string{"CONTAINERS_REGISTRIES_CONF=HOME/named.conf"}, files: map[string]string{"named.conf": asking("h1"), mainConf: asking("h2")}, deaf: "podman6"},
	{name: "a variable and drop-ins", env: []string{"CONTAINERS_REGISTRIES_CONF=HOME/named.conf"}, files: map[string]string{"named.conf": "", dropIns + "50-a.conf": asking("h2"), "etc/registries.conf.d/10-b.conf": asking("h3")}, deaf: "podman6"},
	{name: "a variable and regshape", env: []string{"CONTAINERS_REGISTRIES_CONF=HOME/named.conf"}, files: map[string]string{"named.conf": asking("regshape")}},
	{name: "a variable, the null device", env: []string{"CONTAINERS_REGISTRIES_CONF=/dev/null"}, files: map[string]string{mainConf: asking("h1")}, deaf: "podman6"},
	{name: "a variable, no file", env: []string{"CONTAINERS_REGISTRIES_CONF=HOME/none.conf"}, deaf: "podman5 podman6"},
	{name: "the older variable", env: []string{"REGISTRIES_CONFIG_PATH=HOME/named.conf"}, files: map[string]string{"named.conf": asking("h1"), mainConf: asking("h2")}},
	{name: "both variables", env: []string{"REGISTRIES_CONFIG_PATH=HOME/older.conf", "CONTAINERS_REGISTRIES_CONF=HOME/named.conf"}, files: map[string]string{"named.conf": asking("h1"), "older.conf": asking("h2")}, deaf: "podman6"},
	{name: "an override", env: []string{"CONTAINERS_REGISTRIES_CONF_OVERRIDE=HOME/last.conf"}, files: map[string]string{"last.conf": asking("h1"), dropIns + "zz.conf": asking("h2")}, deaf: "podman6"},
	{name: "an override is silent", env: []string{"CONTAINERS_REGISTRIES_CONF_OVERRIDE=HOME/last.conf"}, files: map[string]string{"last.conf": "", dropIns + "60-a.conf": asking("h2")}},
	{name: "an override, no file", env: []string{"CONTAINERS_REGISTRIES_CONF_OVERRIDE=HOME/none.conf"}, deaf: "podman6"},
	{name: "a variable and an override", env: []string{"CONTAINERS_REGISTRIES_CONF=HOME/named.conf", "CONTAINERS_REGISTRIES_CONF_OVERRIDE=HOME/last.conf"}, files: map[string]string{"named.conf": asking("h1"), "last.conf": asking("h2")}, deaf: "podman6"},
	{name: "CRLF", files: map[string]string{dropIns + "50-a.conf": "# windows\r\n" + strings.TrimSpace(asking("h2")) + "\r\n"}},
	{name: "another case", files: map[string]string{mainConf: asking("h1"), dropIns + "50-a.conf": "Credential-Helpers = [\"h2\"]\n"}},
	{name: "a byte order mark", apart: true, files: map[string]string{mainConf: "\xef\xbb\xbf" + asking("h1")}},
	{name: "in a table", files: map[string]string{dropIns + "50-a.conf": "[other]\n" + asking("h1")}},
	{name: "broken", files: map[string]string{dropIns + "50-a.conf": "credential-helpers = [\n"}, deaf: allRules},
	{name: "broken below XDG_CONFIG_HOME", env: []string{"XDG_CONFIG_HOME=HOME/xdg"}, files: map[string]string{"xdg/containers/registries.conf": "credential-helpers = [\n"}, deaf: "podman6"},
	{name: "a wrong type", files: map[string]string{mainConf: "credential-helpers = 1\n"}, deaf: allRules},
	{name: "twice", apart: true, files: map[string]string{mainConf: asking("h1") + asking("h2")}, deaf: allRules},
	{name: "version 1", files: map[string]string{"etc/registries.conf": "[registries.search]\nregistries = ['docker.io']\n"}, deaf: "podman6"},
	{name: "version 1 and helpers", files: map[string]string{"etc/registries.conf": asking("h1") + "[registries.block]\nregistries = ['docker.io']\n"}, deaf: allRules},
	{name: "version 1 in a drop-in", files: map[string]string{dropIns + "50-a.conf": "[registries.insecure]\nregistries = ['docker.io']\n"}, deaf: allRules},
	{name: "version 1 without registries", files: map[string]string{mainConf: "[registries]\n[registries.search]\n"}},
	{name: "linked drop-ins", links: map[string]string{strings.TrimSuffix(dropIns, "/"): "../../real"}, files: map[string]string{"real/50-a.conf": asking("h1"), mainConf: asking("h2")}, deaf: "podman5 skopeo1"},
	{name: "a linked directory", links: map[string]string{".config/containers": "../real"}, files: map[string]string{"real/registries.conf.d/50-a.conf": asking("h1"), "real/registries.conf": asking("h2")}},
	{name: "a linked drop-in", links: map[string]string{dropIns + "50-a.conf": "../../../real.conf"}, files: map[string]string{"real.conf": asking("h1")}},
	{name: "a drop-in that leads nowhere", apart: true, links: map[string]string{dropIns + "60-a.conf": "nowhere"}, files: map[string]string{dropIns + "50-a.conf": asking("h1")}},
	{name: "a main file that leads nowhere", links: map[string]string{mainConf: "nowhere"}, files: map[string]string{"etc/registries.conf": asking("h1")}},
	{name: "a directory called like a drop-in", files: map[string]string{dropIns + "60-a.conf/x": "", dropIns + "50-a.conf": asking("h1")}},
	{name: "a directory in place of the main file", files: map[string]string{mainConf + "/x": ""}, deaf: allRules},
	{name: "a file in place of the drop-ins", files: map[string]string{strings.TrimSuffix(dropIns, "/"): ""}, deaf: allRules},
	{name: "other names", files: map[string]string{dropIns + "60-a.conf.bak": asking("h1"), dropIns + "70-b": asking("h2"), dropIns + ".conf": asking("h3")}},
	{name: "nested", files: map[string]string{dropIns + "more/60-a.conf": asking("h1")}},
}
