package testregistry

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// upload is a blob that is still being sent.
type upload struct {
	repo string
	data []byte
}

// Digest returns the digest of data as registries write it, sha256:<hex>.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (g *Registry) serveBlob(w http.ResponseWriter, r *http.Request, t target) {
	var data []byte
	found := false
	if repo := g.repo(t.repo, false); repo != nil {
		data, found = repo.blobs[t.ref]
	}
	if !found {
		fail(w, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry")
		return
	}
	writeContent(w, r, "application/octet-stream", t.ref, data)
}

// writeContent sends a blob or manifest; for HEAD its length alone.
func writeContent(w http.ResponseWriter, r *http.Request, mediaType, digest string, data []byte) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		fail(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "method not allowed")
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Docker-Content-Digest", digest)
	w.Header().Set("Etag", `"`+digest+`"`)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(data) // the client is gone: nobody is left to tell
	}
}

func (g *Registry) serveUpload(w http.ResponseWriter, r *http.Request, t target) {
	if t.ref == "" {
		if r.Method != http.MethodPost {
			fail(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "method not allowed")
			return
		}
		// Mounts and whole blobs in this request are optional in the API: clients go on with an upload.
		t.ref = rand.Text()
		up := &upload{repo: t.repo}
		g.uploads[t.ref] = up
		uploadStatus(w, t, up, http.StatusAccepted)
		return
	}
	up := g.uploads[t.ref]
	if up == nil || up.repo != t.repo {
		fail(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
		return
	}
	switch r.Method {
	case http.MethodPatch, http.MethodPut:
		chunk, err := io.ReadAll(r.Body)
		if err != nil || len(up.data)+len(chunk) > maxBody {
			fail(w, http.StatusRequestEntityTooLarge, "SIZE_INVALID", "upload is cut short or too large")
			return
		}
		up.data = append(up.data, chunk...)
		if r.Method == http.MethodPatch {
			uploadStatus(w, t, up, http.StatusAccepted)
			return
		}
		delete(g.uploads, t.ref)
		g.finishUpload(w, r, t, up.data)
	default:
		fail(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "method not allowed")
	}
}

func (g *Registry) finishUpload(w http.ResponseWriter, r *http.Request, t target, data []byte) {
	digest := r.URL.Query().Get("digest")
	if Digest(data) != digest {
		fail(w, http.StatusBadRequest, "DIGEST_INVALID", "provided digest did not match uploaded content")
		return
	}
	g.repo(t.repo, true).blobs[digest] = data
	created(w, fmt.Sprintf("/v2/%s/blobs/%s", t.repo, digest), digest)
}

func created(w http.ResponseWriter, location, digest string) {
	w.Header().Set("Location", location)
	w.Header().Set("Docker-Content-Digest", digest)
	w.WriteHeader(http.StatusCreated)
}

func uploadStatus(w http.ResponseWriter, t target, up *upload, status int) {
	w.Header().Set("Location", fmt.Sprintf("/v2/%s/blobs/uploads/%s", t.repo, t.ref))
	w.Header().Set("Docker-Upload-UUID", t.ref)
	// The end is inclusive, so an empty upload too reads 0-0, as distribution has it.
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(len(up.data)-1, 0)))
	w.WriteHeader(status)
}

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
	writeContent(w, r, found.mediaType, digest, found.data)
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
	writeJSON(w, http.StatusOK, map[string]any{"name": t.repo, "tags": slices.Sorted(maps.Keys(repo.tags))})
}
