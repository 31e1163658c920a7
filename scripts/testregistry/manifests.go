package testregistry

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"sort"
	"strings"
)

// Media types that the registry makes or tells apart.
const (
	mediaManifest = "application/vnd.docker.distribution.manifest.v2+json"
	mediaConfig   = "application/vnd.docker.container.image.v1+json"
	mediaLayer    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

// tagName is a tag as the distribution API defines it.
var tagName = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

type manifest struct {
	mediaType string
	data      []byte
}

func (g *Registry) serveManifest(w http.ResponseWriter, r *http.Request, t target) {
	if r.Method == http.MethodPut {
		g.putManifest(w, r, t)
		return
	}
	repo := g.repo(t.repo, false)
	if repo == nil {
		fail(w, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry")
		return
	}
	digest := t.ref
	if tagged, ok := repo.tags[t.ref]; ok {
		digest = tagged
	}
	found, ok := repo.manifests[digest]
	if !ok {
		fail(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		w.Header().Set("Content-Type", found.mediaType)
		writeContent(w, r, digest, found.data)
	case http.MethodDelete:
		delete(repo.tags, t.ref)
		if t.ref == digest {
			delete(repo.manifests, digest)
			for tag, of := range repo.tags {
				if of == digest {
					delete(repo.tags, tag)
				}
			}
		}
		w.WriteHeader(http.StatusAccepted)
	default:
		fail(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "method not allowed")
	}
}

// putManifest stores a manifest whose blobs are all there, so that a push that
// lost a layer fails at the push and not at somebody's pull.
func (g *Registry) putManifest(w http.ResponseWriter, r *http.Request, t target) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, "SIZE_INVALID", "manifest is cut short or too large")
		return
	}
	digest := Digest(data)
	byDigest := strings.Contains(t.ref, ":")
	if byDigest && t.ref != digest {
		fail(w, http.StatusBadRequest, "DIGEST_INVALID", "provided digest did not match uploaded content")
		return
	}
	if !byDigest && !tagName.MatchString(t.ref) {
		fail(w, http.StatusBadRequest, "TAG_INVALID", "not a tag")
		return
	}
	var body struct {
		MediaType string       `json:"mediaType"`
		Config    *descriptor  `json:"config"`
		Layers    []descriptor `json:"layers"`
	}
	if json.Unmarshal(data, &body) != nil {
		fail(w, http.StatusBadRequest, "MANIFEST_INVALID", "not a JSON object")
		return
	}
	needed := body.Layers
	if body.Config != nil {
		needed = append(needed, *body.Config)
	}
	repo := g.repo(t.repo, false)
	for _, blob := range needed {
		if !repo.holds(blob.Digest) {
			fail(w, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "a blob of the manifest was never pushed")
			return
		}
	}
	repo = g.repo(t.repo, true) // a list of other manifests may come first of all
	mediaType := r.Header.Get("Content-Type")
	if mediaType == "" {
		mediaType = body.MediaType
	}
	repo.manifests[digest] = manifest{mediaType: mediaType, data: data}
	if !byDigest {
		repo.tags[t.ref] = digest
	}
	created(w, fmt.Sprintf("/v2/%s/manifests/%s", t.repo, digest), digest)
}

func (g *Registry) serveTags(w http.ResponseWriter, t target) {
	repo := g.repo(t.repo, false)
	if repo == nil {
		fail(w, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry")
		return
	}
	tags := make([]string, 0, len(repo.tags))
	for tag := range repo.tags {
		tags = append(tags, tag)
	}
	sort.Strings(tags)
	writeJSON(w, http.StatusOK, map[string]any{"name": t.repo, "tags": tags})
}
