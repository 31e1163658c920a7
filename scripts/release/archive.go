package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"regshape/login"
	"regshape/login/app"
)

// file is one file of an archive or a package, not yet written.
type file struct {
	name string // slash-separated, within the archive
	data []byte
	link string // a symbolic link to this, if given
	exec bool
}

// documents are for users. They keep their paths, so that links from one to another work;
// links to what is for developers need the repository.
var documents = []string{
	"LICENSE", "README.md", "SECURITY.md", "CHANGELOG.md",
	"login/README.md", "store/README.md", "store/keys/README.md", "scripts/e2e/README.md",
}

// sharedFiles are those that all systems get alike: documents, manual, completions.
func sharedFiles(ctx context.Context, s stamp) ([]file, error) {
	var files []file
	for _, name := range documents {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("a release is made in the top directory of a checkout: %w", err)
		}
		files = append(files, file{name: name, data: data})
	}
	pages, err := login.ManPages(stampOf(s))
	if err != nil {
		return nil, err
	}
	for name, page := range pages {
		files = append(files, file{name: "man/" + name, data: page})
	}
	for shell, name := range map[string]string{"bash": "regshape.bash", "zsh": "_regshape", "fish": "regshape.fish"} {
		script, err := completion(ctx, s, shell)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: "completions/" + name, data: script})
	}
	slices.SortFunc(files, byName) // the maps had no order
	return files, nil
}

func byName(a, b file) int { return bytes.Compare([]byte(a.name), []byte(b.name)) }

// completion is what `regshape completion SHELL` prints.
func completion(ctx context.Context, s stamp, shell string) ([]byte, error) {
	var out, complaint bytes.Buffer
	code := login.Run(ctx, app.Call{
		Args: []string{"completion", shell}, Out: &out, Err: &complaint,
		Getenv: func(string) string { return "" }, Build: stampOf(s),
	})
	if code != 0 || complaint.Len() > 0 {
		return nil, fmt.Errorf("regshape completion %s: exit %d: %s", shell, code, complaint.String())
	}
	return out.Bytes(), nil
}

// archive packs one system's files below one directory, in the order of their names.
func (r *release) archive(t target, program string, files []file) error {
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	second := file{name: helper, link: "regshape"}
	pack, ending := packTar, ".tar.gz"
	if t.os == "windows" {
		second = file{name: helper + t.exe(), data: data, exec: true}
		pack, ending = packZip, ".zip"
	}
	files = append([]file{{name: "regshape" + t.exe(), data: data, exec: true}, second}, files...)
	if t.os == "linux" {
		files = append(files, file{name: provider, link: "regshape"})
	}
	slices.SortFunc(files, byName)
	top := r.base(t)
	packed, err := pack(top+"/", files, r.stamp.time)
	if err != nil {
		return fmt.Errorf("pack %s: %w", top, err)
	}
	return r.publish(top+ending, packed)
}

// base is what the names of one system's files begin with.
func (r *release) base(t target) string {
	return strings.Join([]string{"regshape", r.stamp.name(), t.os, t.arch}, "_")
}

// publish writes a file of the release, for all to read, and notes it for SHA256SUMS.
func (r *release) publish(name string, data []byte) error {
	r.files = append(r.files, name)
	path := filepath.Join(r.out, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return err
	}
	return os.Chmod(path, 0o644)
}

// mode is the same whatever the umask and the checkout say.
func (f file) mode() os.FileMode {
	switch {
	case f.link != "":
		return 0o777
	case f.exec:
		return 0o755
	}
	return 0o644
}

// directories are those that the files stand in, top first.
func directories(top string, files []file) []string {
	names := []string{top}
	for _, f := range files {
		if dir, _, ok := strings.Cut(f.name, "/"); ok && !slices.Contains(names, top+dir+"/") {
			names = append(names, top+dir+"/")
		}
	}
	return names
}

// packTar leaves owners at 0 without a name, and everything at the time of the commit.
func packTar(top string, files []file, when time.Time) ([]byte, error) {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for _, dir := range directories(top, files) {
		h := &tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755, ModTime: when, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
	}
	for _, f := range files {
		h := &tar.Header{
			Typeflag: tar.TypeReg, Name: top + f.name, Size: int64(len(f.data)),
			Mode: int64(f.mode()), ModTime: when, Format: tar.FormatUSTAR,
		}
		if f.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.link
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return compress(packed.Bytes())
}

// compress is gzip -9n: no name, no time.
func compress(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}

// packZip takes no links: windows makes them for administrators alone.
func packZip(top string, files []file, when time.Time) ([]byte, error) {
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	for _, f := range files {
		h := &zip.FileHeader{Name: top + f.name, Method: zip.Deflate, Modified: when}
		h.SetMode(f.mode())
		part, err := w.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := part.Write(f.data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return packed.Bytes(), err
}
