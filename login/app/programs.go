package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"regshape/store/process"
)

// Shell is the program and its arguments that run a command line.
func Shell(goos, line string) (program string, arguments []string) {
	if goos == "windows" {
		return "powershell.exe", []string{"-NoProfile", "-NonInteractive", "-Command", line}
	}
	return "/bin/sh", []string{"-c", line}
}

// PathLine is the line that puts a directory on PATH, and the file of the user's shell for it.
// Shells other than fish and zsh read ~/.profile at a login; bash reads ~/.bashrc in every
// terminal. On Windows it is a command of PowerShell, for no file.
func PathLine(goos, shell, home, dir string) (line, file string) {
	if goos == "windows" {
		return `[Environment]::SetEnvironmentVariable("Path", [Environment]::GetEnvironmentVariable("Path", "User") + ';` +
			strings.ReplaceAll(dir, "'", "''") + `', "User")`, ""
	}
	if filepath.Base(shell) == "fish" {
		return "fish_add_path '" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(dir) + "'", "~/.config/fish/config.fish"
	}
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(dir)
	if rest, below := strings.CutPrefix(dir, home+string(filepath.Separator)); below && home != "" && rest != "" && quoted == dir {
		quoted = "$HOME/" + rest // the same home directory may have another path on the next machine
	}
	file = "~/.profile"
	switch filepath.Base(shell) {
	case "bash":
		file = "~/.bashrc"
	case "zsh":
		file = "~/.zshrc"
	}
	return `export PATH="` + quoted + `:$PATH"`, file
}

// VersionOf runs a program with the one word that has it print its version.
func VersionOf(ctx context.Context, path, word string) (string, error) {
	const limit = 10 * time.Second // a cold start from a network drive takes seconds
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, word) //nolint:gosec // a program that users run, too, and a word of ours
	cmd.Env = process.ChildEnvironment(os.Environ())
	cmd.WaitDelay = time.Second // for children of its that hold the output open
	out := &process.Bounded{Limit: 1 << 10}
	cmd.Stdout = out
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("it did not answer within %v", limit)
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return "", err
	}
	return strings.TrimSpace(string(out.Data)), nil
}
