// Kubeprobe finds credentials for images as the kubelet does, with the kubelet's own code. Providers
// are registered once in a process, so each run is one kubelet.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/kubernetes/pkg/credentialprovider/plugin"
	"k8s.io/kubernetes/pkg/util/parsers"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kubeprobe:", err)
		os.Exit(1)
	}
}

// login is one that the kubelet would try.
type login struct{ Username, Password string }

// run answers each image on a line of its input with a line of JSON.
func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 2 {
		return errors.New("usage: kubeprobe CONFIG BIN-DIR")
	}
	if err := plugin.RegisterCredentialProviderPlugins(args[0], args[1], nil, nil); err != nil {
		return err
	}
	images := bufio.NewScanner(in)
	for images.Scan() {
		// As EnsureImageExists does in pkg/kubelet/images/image_manager.go.
		repository, _, _, err := parsers.ParseImageName(images.Text())
		if err != nil {
			return err
		}
		found, _ := plugin.NewExternalCredentialProviderDockerKeyring("default", "pod", "uid", "default").Lookup(repository)
		logins := []login{}
		for _, f := range found {
			logins = append(logins, login{f.Username, f.Password})
		}
		if err := json.NewEncoder(out).Encode(logins); err != nil {
			return err
		}
	}
	return images.Err()
}
