// Package kubelet is an image credential provider: the kubelet runs it for the images of pods, with
// a CredentialProviderRequest on standard input, and reads a CredentialProviderResponse (Kubernetes,
// k8s.io/kubelet/pkg/apis/credentialprovider).
//
// The kubelet shows stderr of a failure in its log, reads nothing but the response of a success, and
// pulls without credentials after a failure. It waits for a minute.
package kubelet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"regshape/credhelper"
	"regshape/store"
)

const (
	longest = 5 * time.Minute // how long the kubelet keeps an answer, and so may use one after a logout
	early   = time.Minute     // between the last time that it is handed out and its end, for the pull
)

var (
	errArguments = errors.New("it is for the kubelet and takes no arguments: run 'regshape auth setup --kubelet'")
	errRequest   = errors.New("the input is not a CredentialProviderRequest for an image: have the kubelet run this program")
	errVersion   = errors.New("the apiVersion of the request is not known: use credentialprovider.kubelet.k8s.io/v1 in the kubelet's configuration")
	errIdentity  = errors.New("the kubelet has no use for identity tokens: log in with a password or an access token")
)

// request is what the kubelet asks. A service account's token may stand beside the image; it is not
// read.
type request struct{ APIVersion, Kind, Image string }

type response struct {
	Kind          string           `json:"kind"`
	APIVersion    string           `json:"apiVersion"`
	CacheKeyType  string           `json:"cacheKeyType"`
	CacheDuration string           `json:"cacheDuration"`
	Auth          map[string]login `json:"auth"`
}

// login has "username" and "password".
type login map[string]string

// Run answers one request and returns the exit code, 0 or 1.
func Run(ctx context.Context, c credhelper.Call) int {
	answer, err := respond(ctx, c)
	if err == nil {
		err = json.NewEncoder(c.Out).Encode(answer)
	}
	if err != nil {
		_, _ = fmt.Fprintln(c.Err, c.OneLine(err))
		return 1
	}
	return 0
}

func respond(ctx context.Context, c credhelper.Call) (response, error) {
	if len(c.Args) > 0 {
		return response{}, errArguments
	}
	data, err := c.Input("a CredentialProviderRequest")
	if err != nil {
		return response{}, err
	}
	var asked request
	if json.Unmarshal(data, &asked) != nil || asked.Kind != "CredentialProviderRequest" || asked.Image == "" {
		return response{}, errRequest
	}
	version, ours := strings.CutPrefix(asked.APIVersion, "credentialprovider.kubelet.k8s.io/")
	if !ours || version != "v1" && version != "v1beta1" && version != "v1alpha1" {
		return response{}, errVersion
	}
	// The kubelet compares paths without regard to "/": a login of host/ns that it keeps for
	// anything but this image would also answer host/nsx.
	r := response{"CredentialProviderResponse", asked.APIVersion, "Image", "0s", map[string]login{}}
	host, addresses := candidates(asked.Image)
	logins, err := c.Logins()
	if err != nil {
		return response{}, err
	}
	for _, a := range addresses {
		found, err := logins.Get(ctx, a)
		switch {
		case errors.Is(err, store.ErrNotFound):
			continue
		case err != nil:
			return response{}, err
		case found.Kind == store.KindIdentityToken:
			_, _ = fmt.Fprintln(c.Err, c.OneLine(fmt.Errorf("%s: %w", found.For().Name(), errIdentity)))
			return r, nil
		}
		if scope := found.For().Scope(); scope != "" {
			host += "/" + scope
		}
		r.Auth[host] = login{"username": found.Username, "password": found.Secret}
		r.CacheDuration = cacheFor(found.Expires).String()
		return r, nil
	}
	return r, nil
}

// candidates returns the host of an image as it is spelled, and the addresses whose logins may
// answer for it: first its repository, with the scopes of that. Where there is a host, it is found
// as the kubelet's parser does (github.com/distribution/reference).
func candidates(image string) (host string, addresses []store.Address) {
	name, _, _ := strings.Cut(image, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	host, path, _ := strings.Cut(name, "/")
	if host == name || !strings.ContainsAny(host, ".:") && host != "localhost" && host == strings.ToLower(host) {
		host, path = store.HubHost, name
	}
	registry, repository := store.ParseAddress(host), store.ParseAddress(host+"/"+path)
	if registry.Opaque() || repository.Opaque() { // not an image; a key of another kind may be like it
		return host, nil
	}
	return host, []store.Address{repository, registry}
}

// cacheFor is how long the kubelet may keep what ends then; the zero time is never.
func cacheFor(ends time.Time) time.Duration {
	if ends.IsZero() {
		return longest
	}
	return max(0, min(longest, time.Until(ends)-early))
}
