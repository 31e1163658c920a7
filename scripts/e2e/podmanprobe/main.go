// Podmanprobe answers as podman, skopeo and buildah would: with the library of the versions
// before podman 6, or with that of podman 6.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	oldconfig "github.com/containers/image/v5/pkg/docker/config"
	oldregistries "github.com/containers/image/v5/pkg/sysregistriesv2"
	oldtypes "github.com/containers/image/v5/types"
	"go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
)

const usage = "usage: podmanprobe {podman5|skopeo1|podman6} {helpers|get KEY|login KEY USER PASSWORD}"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "podmanprobe:", err)
		os.Exit(1)
	}
}

// run prints the list of helpers, the user whose login is used for a key, or where a login
// was stored.
func run(args []string) error {
	if len(args) < 2 {
		return errors.New(usage)
	}
	old := oldtypes.SystemContext{}
	if args[0] == "podman5" {
		// As podman does; skopeo does not read the variables.
		if old.SystemRegistriesConfPath = os.Getenv("CONTAINERS_REGISTRIES_CONF"); old.SystemRegistriesConfPath == "" {
			old.SystemRegistriesConfPath = os.Getenv("REGISTRIES_CONFIG_PATH")
		}
	}
	newer := args[0] == "podman6"
	var answer string
	var err error
	switch {
	case args[1] == "helpers":
		var list []string
		if newer {
			list, err = sysregistriesv2.CredentialHelpers(nil)
		} else {
			list, err = oldregistries.CredentialHelpers(&old)
		}
		answer = strings.Join(list, " ")
	case args[1] == "get" && len(args) == 3 && newer:
		login, err2 := config.GetCredentials(nil, args[2])
		answer, err = login.Username, err2
	case args[1] == "get" && len(args) == 3:
		login, err2 := oldconfig.GetCredentials(&old, args[2])
		answer, err = login.Username, err2
	case args[1] == "login" && len(args) == 5 && newer:
		answer, err = config.SetCredentials(nil, args[2], args[3], args[4])
	case args[1] == "login" && len(args) == 5:
		answer, err = oldconfig.SetCredentials(&old, args[2], args[3], args[4])
	default:
		return errors.New(usage)
	}
	if err == nil {
		fmt.Println(answer)
	}
	return err
}
