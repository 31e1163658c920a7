// Orasprobe is a program on oras-go, as the end-to-end tests need one: it logs in, reads
// and writes a registry with the credentials that oras-go finds in docker's config.json.
package main

import (
	"bufio"
	"context"
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

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
)

const usage = "usage: orasprobe [-plain-http] [-ca FILE] [-user NAME] [-identity-token] {login|logout|whoami} HOST | {inspect|pull|push} REFERENCE"

// probe is what all commands share.
type probe struct {
	store  *credentials.DynamicStore
	client *auth.Client
	plain  bool
}

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "orasprobe:", err)
		os.Exit(1)
	}
}

func run(args []string, stdin io.Reader, stdout io.Writer) error {
	flags := flag.NewFlagSet("orasprobe", flag.ContinueOnError)
	plain := flags.Bool("plain-http", false, "speak http")
	ca := flags.String("ca", "", "trust the certificates in this `file`")
	user := flags.String("user", "", "log in as this user; the password is read from stdin")
	identity := flags.Bool("identity-token", false, "what is read from stdin is an identity token")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return errors.New(usage)
	}
	p, err := newProbe(*plain, *ca)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	command, target := flags.Arg(0), flags.Arg(1)
	switch command {
	case "login":
		line, err := bufio.NewReader(stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		secret := strings.TrimSuffix(line, "\n")
		credential := auth.Credential{Username: *user, Password: secret}
		if *identity {
			credential = auth.Credential{RefreshToken: secret}
		}
		return p.login(ctx, target, credential)
	case "logout":
		return credentials.Logout(ctx, p.store, target)
	case "whoami":
		credential, err := p.store.Get(ctx, credentials.ServerAddressFromRegistry(target))
		if err != nil {
			return err
		}
		if credential == auth.EmptyCredential {
			return fmt.Errorf("not logged in to %s", target)
		}
		name := credential.Username
		if credential.RefreshToken != "" {
			name = "<token>"
		}
		_, err = fmt.Fprintln(stdout, name)
		return err
	}
	repository, err := remote.NewRepository(target)
	if err != nil {
		return err
	}
	repository.PlainHTTP, repository.Client = p.plain, p.client
	tag := repository.Reference.Reference
	switch command {
	case "inspect":
		descriptor, err := oras.Resolve(ctx, repository, tag, oras.DefaultResolveOptions)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(stdout, descriptor.MediaType, descriptor.Digest)
		return err
	case "pull":
		_, err := oras.Copy(ctx, repository, tag, memory.New(), tag, oras.DefaultCopyOptions)
		return err
	case "push":
		return push(ctx, repository, tag)
	}
	return errors.New(usage)
}

func newProbe(plain bool, ca string) (*probe, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", ca)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return nil, err
	}
	return &probe{
		store: store, plain: plain,
		client: &auth.Client{Client: &http.Client{Transport: transport}, Cache: auth.NewCache(), Credential: credentials.Credential(store)},
	}, nil
}

// login has oras-go verify the credential before it stores it.
func (p *probe) login(ctx context.Context, host string, credential auth.Credential) error {
	registry, err := remote.NewRegistry(host)
	if err != nil {
		return err
	}
	registry.PlainHTTP, registry.Client = p.plain, p.client
	return credentials.Login(ctx, p.store, registry, credential)
}

// push uploads an artifact of one small blob.
func push(ctx context.Context, to *remote.Repository, tag string) error {
	content := memory.New()
	blob, err := oras.PushBytes(ctx, content, "text/plain", []byte("pushed by a program on oras-go\n"))
	if err != nil {
		return err
	}
	packed, err := oras.PackManifest(ctx, content, oras.PackManifestVersion1_0, "application/vnd.regshape.probe", oras.PackManifestOptions{Layers: []v1.Descriptor{blob}})
	if err != nil {
		return err
	}
	if err := content.Tag(ctx, packed, tag); err != nil {
		return err
	}
	_, err = oras.Copy(ctx, content, tag, to, tag, oras.DefaultCopyOptions)
	return err
}
