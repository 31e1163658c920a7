package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"

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

// sharedFiles are those that all systems get alike: documents, manual, completions.
func sharedFiles(ctx context.Context, s stamp) ([]file, error) {
	var files []file
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("a release is made in the top folder of a checkout: %w", err)
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
