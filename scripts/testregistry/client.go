package testregistry

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// ErrRefused says that a registry or token server answered 401 to a [Client].
var ErrRefused = errors.New("credentials refused")

// Client is the least that pushes an image to any registry and pulls it again. It
// is for tests alone: it trusts whatever realm a registry names.
type Client struct {
	Base     string // the registry's origin, such as http://localhost:5000
	User     string // "" asks without credentials
	Password string
	HTTP     *http.Client // nil is http.DefaultClient
}

// Login asks for /v2/ as docker login does. Wrong credentials are [ErrRefused].
func (c *Client) Login(ctx context.Context) error {
	_, err := c.do(ctx, http.MethodGet, "/v2/", "", nil, http.StatusOK)
	return err
}

// Push uploads an image as repo:tag.
func (c *Client) Push(ctx context.Context, repo, tag string, image Image) error {
	for _, blob := range [][]byte{image.Config, image.Layer} {
		start, err := c.do(ctx, http.MethodPost, "/v2/"+repo+"/blobs/uploads/", "", nil, http.StatusAccepted)
		if err != nil {
			return err
		}
		where, err := url.Parse(start.location)
		if err != nil {
			return fmt.Errorf("upload location: %w", err)
		}
		query := where.Query()
		query.Set("digest", Digest(blob))
		path := where.Path + "?" + query.Encode()
		if _, err := c.do(ctx, http.MethodPut, path, "application/octet-stream", blob, http.StatusCreated); err != nil {
			return err
		}
	}
	_, err := c.do(ctx, http.MethodPut, "/v2/"+repo+"/manifests/"+tag, mediaManifest, image.Manifest, http.StatusCreated)
	return err
}

// Pull fetches repo:tag and checks every digest.
func (c *Client) Pull(ctx context.Context, repo, tag string) (Image, error) {
	got, err := c.do(ctx, http.MethodGet, "/v2/"+repo+"/manifests/"+tag, "", nil, http.StatusOK)
	if err != nil {
		return Image{}, err
	}
	var body struct {
		Config descriptor   `json:"config"`
		Layers []descriptor `json:"layers"`
	}
	if err := json.Unmarshal(got.body, &body); err != nil {
		return Image{}, fmt.Errorf("read manifest: %w", err)
	}
	if len(body.Layers) != 1 {
		return Image{}, fmt.Errorf("read manifest: %d layers, want 1", len(body.Layers))
	}
	image := Image{Manifest: got.body}
	for _, part := range []struct {
		descriptor
		into *[]byte
	}{{body.Config, &image.Config}, {body.Layers[0], &image.Layer}} {
		blob, err := c.do(ctx, http.MethodGet, "/v2/"+repo+"/blobs/"+part.Digest, "", nil, http.StatusOK)
		if err != nil {
			return Image{}, err
		}
		if Digest(blob.body) != part.Digest {
			return Image{}, fmt.Errorf("blob %s: the content has another digest", part.Digest)
		}
		*part.into = blob.body
	}
	return image, nil
}

// Tags lists the tags of a repository.
func (c *Client) Tags(ctx context.Context, repo string) ([]string, error) {
	got, err := c.do(ctx, http.MethodGet, "/v2/"+repo+"/tags/list", "", nil, http.StatusOK)
	if err != nil {
		return nil, err
	}
	var body struct{ Tags []string }
	if err := json.Unmarshal(got.body, &body); err != nil {
		return nil, fmt.Errorf("read tags: %w", err)
	}
	return body.Tags, nil
}

// answer is what the client needs of a response.
type answer struct {
	body     []byte
	location string
}

// do sends one request, once without credentials and, when the registry asks for
// them, once with what its challenge wants.
func (c *Client) do(ctx context.Context, method, path, mediaType string, body []byte, want int) (answer, error) {
	authorization := ""
	for attempt := 0; ; attempt++ {
		r, err := http.NewRequestWithContext(ctx, method, c.Base+path, bytes.NewReader(body))
		if err != nil {
			return answer{}, fmt.Errorf("%s %s: %w", method, path, err)
		}
		r.Header.Set("Accept", mediaManifest)
		if mediaType != "" {
			r.Header.Set("Content-Type", mediaType)
		}
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		status, header, data, err := c.send(r)
		if err != nil {
			return answer{}, err
		}
		if status == http.StatusUnauthorized && attempt == 0 && c.User != "" {
			if authorization, err = c.authorize(ctx, header.Get("WWW-Authenticate")); err != nil {
				return answer{}, err
			}
			continue
		}
		if status == http.StatusUnauthorized {
			return answer{}, fmt.Errorf("%s %s: %w", method, path, ErrRefused)
		}
		if status != want {
			return answer{}, fmt.Errorf("%s %s: status %d, want %d", method, path, status, want)
		}
		return answer{body: data, location: header.Get("Location")}, nil
	}
}

func (c *Client) send(r *http.Request) (int, http.Header, []byte, error) {
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("ask the registry: %w", err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("read the answer: %w", err)
	}
	return response.StatusCode, response.Header, data, nil
}

// challengeParam is enough of RFC 9110 §11 for the two registries the tests have.
var challengeParam = regexp.MustCompile(`(realm|service|scope)="([^"]*)"`)

// authorize returns the Authorization header that a challenge asks for.
func (c *Client) authorize(ctx context.Context, challenge string) (string, error) {
	if !strings.HasPrefix(challenge, "Bearer ") {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.User+":"+c.Password)), nil
	}
	realm, query := "", url.Values{"account": {c.User}}
	for _, param := range challengeParam.FindAllStringSubmatch(challenge, -1) {
		if param[1] == "realm" {
			realm = param[2]
		} else {
			query.Set(param[1], param[2])
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, realm+"?"+query.Encode(), nil)
	if err != nil {
		return "", fmt.Errorf("token realm: %w", err)
	}
	r.SetBasicAuth(c.User, c.Password)
	status, _, data, err := c.send(r)
	if err != nil {
		return "", err
	}
	if status == http.StatusUnauthorized {
		return "", fmt.Errorf("token server: %w", ErrRefused)
	}
	var body struct {
		Token string `json:"token"`
	}
	if status != http.StatusOK || json.Unmarshal(data, &body) != nil || body.Token == "" {
		return "", fmt.Errorf("token server: status %d and no token", status)
	}
	return "Bearer " + body.Token, nil
}
