package login

import (
	"path/filepath"
	"runtime"
	"strings"
)

// pathLine is the line that puts a folder on PATH and the file of the user's shell that
// it belongs into. Shells other than fish and zsh read ~/.profile at a login; bash reads
// ~/.bashrc in every terminal.
func pathLine(shell, home, dir string) (line, file string) {
	if runtime.GOOS == "windows" {
		dir = strings.ReplaceAll(dir, "'", "''")
		return "$env:Path += ';" + dir + "'", "PowerShell's $PROFILE"
	}
	if filepath.Base(shell) == "fish" {
		return "fish_add_path '" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(dir) + "'", "~/.config/fish/config.fish"
	}
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(dir)
	if rest, below := strings.CutPrefix(dir, home+string(filepath.Separator)); below && home != "" && rest != "" && quoted == dir {
		quoted = "$HOME/" + rest // the same home folder may have another path on the next machine
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
