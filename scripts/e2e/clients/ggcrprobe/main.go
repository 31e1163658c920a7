// Ggcrprobe is a program on go-containerregistry, as the end-to-end tests need one. The
// library reads credentials from docker's config.json and has no login: programs on it
// leave that to docker's own packages, and so does this one, after a look at the registry.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	usage  = "usage: ggcrprobe [-ca FILE] [-helper PROGRAM] [-user NAME] [-identity-token] {login|logout|whoami|inspect|pull|push} REFERENCE"
	helper = "docker-credential-regshape"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "ggcrprobe:", err)
		os.Exit(1)
	}
}

func run(args []string, stdin io.Reader, stdout io.Writer) error {
	flags := flag.NewFlagSet("ggcrprobe", flag.ContinueOnError)
	ca := flags.String("ca", "", "trust the certificates in this `file`")
	user := flags.String("user", "", "log in as this user; the password is read from stdin")
	identity := flags.Bool("identity-token", false, "what is read from stdin is an identity token")
	program := flags.String("helper", helper, "store logins with this credential helper")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return errors.New(usage)
	}
	ref, err := name.ParseReference(flags.Arg(1))
	if err != nil {
		return err
	}
	transport, err := newTransport(*ca)
	if err != nil {
		return err
	}
	key := ref.Context().RegistryStr()
	if key == name.DefaultRegistry {
		key = authn.DefaultAuthKey
	}
	ask := []remote.Option{remote.WithTransport(transport), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	switch flags.Arg(0) {
	case "login":
		line, err := bufio.NewReader(stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		secret := strings.TrimSuffix(line, "\n")
		entry, given := &credentials.Credentials{ServerURL: key, Username: *user, Secret: secret}, authn.AuthConfig{Username: *user, Password: secret}
		if *identity {
			entry.Username, given = "<token>", authn.AuthConfig{IdentityToken: secret}
		}
		if _, err := remote.Head(ref, remote.WithTransport(transport), remote.WithAuth(authn.FromConfig(given))); err != nil {
			return err
		}
		return client.Store(client.NewShellProgramFunc(*program), entry)
	case "logout":
		return client.Erase(client.NewShellProgramFunc(*program), key)
	case "whoami":
		found, err := authn.DefaultKeychain.Resolve(ref.Context())
		if err != nil {
			return err
		}
		config, err := found.Authorization()
		if err != nil {
			return err
		}
		if *config == (authn.AuthConfig{}) {
			return fmt.Errorf("not logged in to %s", key)
		}
		who := config.Username
		if config.IdentityToken != "" {
			who = "<token>"
		}
		_, err = fmt.Fprintln(stdout, who)
		return err
	case "inspect":
		descriptor, err := remote.Get(ref, ask...)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(stdout, descriptor.MediaType, descriptor.Digest)
		return err
	case "pull":
		image, err := remote.Image(ref, ask...)
		if err != nil {
			return err
		}
		layers, err := image.Layers()
		if err != nil {
			return err
		}
		for _, layer := range layers {
			content, err := layer.Compressed()
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, content)
			if err := errors.Join(err, content.Close()); err != nil {
				return err
			}
		}
		return nil
	case "push":
		layer := static.NewLayer([]byte("pushed by a program on go-containerregistry\n"), types.OCILayer)
		image, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layer)
		if err != nil {
			return err
		}
		return remote.Write(ref, image, ask...)
	}
	return errors.New(usage)
}

// newTransport is the library's own, with more time limits and the caller's authority.
func newTransport(ca string) (http.RoundTripper, error) {
	transport := remote.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = time.Minute
	if ca == "" {
		return transport, nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", ca)
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return transport, nil
}
