package testregistry

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
)

// Image is a complete image of one layer, in the older one of the two formats: what reads
// OCI images reads these, too, and docker 20.10 does not look at a manifest of the newer.
type Image struct {
	Config   []byte // JSON, application/vnd.docker.container.image.v1+json
	Layer    []byte // a gzip-compressed tar
	Manifest []byte // JSON, application/vnd.docker.distribution.manifest.v2+json
}

// descriptor points from a manifest to a blob.
type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int    `json:"size"`
}

// NewImage builds an image for this machine's architecture whose only file,
// /hello.txt, holds text. The same text gives the same digests.
func NewImage(text string) (Image, error) {
	var plain bytes.Buffer
	files := tar.NewWriter(&plain)
	err := files.WriteHeader(&tar.Header{Name: "hello.txt", Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg})
	_, err2 := io.WriteString(files, text)
	if err = errors.Join(err, err2, files.Close()); err != nil {
		return Image{}, fmt.Errorf("build layer: %w", err)
	}
	var layer bytes.Buffer
	packed := gzip.NewWriter(&layer)
	_, err = packed.Write(plain.Bytes())
	if err = errors.Join(err, packed.Close()); err != nil {
		return Image{}, fmt.Errorf("compress layer: %w", err)
	}

	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"created":      "2024-01-01T00:00:00Z", // fixed, for the digest's sake
		"config":       map[string]any{"Cmd": []string{"/hello"}},
		// Unlike the manifest, the config names the layer before compression.
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{Digest(plain.Bytes())}},
	})
	if err != nil {
		return Image{}, fmt.Errorf("build config: %w", err)
	}
	body, err := json.Marshal(map[string]any{
		"schemaVersion": 2,
		"mediaType":     mediaManifest,
		"config":        descriptor{mediaConfig, Digest(config), len(config)},
		"layers":        []descriptor{{mediaLayer, Digest(layer.Bytes()), layer.Len()}},
	})
	if err != nil {
		return Image{}, fmt.Errorf("build manifest: %w", err)
	}
	return Image{Config: config, Layer: layer.Bytes(), Manifest: body}, nil
}

// Seed puts a small image under repo:tag without a request and returns the
// digest of its manifest.
func (g *Registry) Seed(repo, tag string) (string, error) {
	if !repoName.MatchString(repo) || !tagName.MatchString(tag) {
		return "", fmt.Errorf("seed %q: not a repository and tag", repo+":"+tag)
	}
	image, err := NewImage("hello from " + repo + ":" + tag + "\n")
	if err != nil {
		return "", err
	}
	digest := Digest(image.Manifest)
	g.mu.Lock()
	defer g.mu.Unlock()
	into := g.repo(repo, true)
	into.blobs[Digest(image.Config)] = image.Config
	into.blobs[Digest(image.Layer)] = image.Layer
	into.manifests[digest] = manifest{mediaType: mediaManifest, data: image.Manifest}
	into.tags[tag] = digest
	return digest, nil
}
