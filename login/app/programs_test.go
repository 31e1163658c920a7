package app

import (
	"strings"
	"testing"
)

func TestPathLine(t *testing.T) {
	for _, c := range []struct{ goos, shell, dir, line, file string }{
		{"linux", "/bin/bash", "/home/a/.local/bin", `export PATH="$HOME/.local/bin:$PATH"`, "~/.bashrc"},
		{"darwin", "/usr/bin/zsh", "/opt/x", `export PATH="/opt/x:$PATH"`, "~/.zshrc"},
		{"linux", "", "/opt/$x \"y\"", `export PATH="/opt/\$x \"y\":$PATH"`, "~/.profile"},
		{"linux", "/usr/bin/fish", "/opt/it's", `fish_add_path '/opt/it\'s'`, "~/.config/fish/config.fish"},
		{"windows", "", `C:\it's`, `[Environment]::SetEnvironmentVariable("Path", [Environment]::GetEnvironmentVariable("Path", "User") + ';C:\it''s', "User")`, ""},
	} {
		if line, file := PathLine(c.goos, c.shell, "/home/a", c.dir); line != c.line || file != c.file {
			t.Errorf("%s: got %s in %s, want %s in %s", c.shell, line, file, c.line, c.file)
		}
	}
}

func TestShell(t *testing.T) {
	for goos, want := range map[string]string{"linux": "/bin/sh -c a b", "windows": "powershell.exe -NoProfile -NonInteractive -Command a b"} {
		if program, arguments := Shell(goos, "a b"); program+" "+strings.Join(arguments, " ") != want {
			t.Errorf("%s: got %s %q, want %s", goos, program, arguments, want)
		}
	}
}
