package app

import "testing"

func TestPathLine(t *testing.T) {
	for _, c := range []struct{ shell, dir, line, file string }{
		{"/bin/bash", "/home/a/.local/bin", `export PATH="$HOME/.local/bin:$PATH"`, "~/.bashrc"},
		{"/usr/bin/zsh", "/opt/x", `export PATH="/opt/x:$PATH"`, "~/.zshrc"},
		{"", "/opt/$x \"y\"", `export PATH="/opt/\$x \"y\":$PATH"`, "~/.profile"},
		{"/usr/bin/fish", "/opt/it's", `fish_add_path '/opt/it\'s'`, "~/.config/fish/config.fish"},
	} {
		if line, file := PathLine(c.shell, "/home/a", c.dir); line != c.line || file != c.file {
			t.Errorf("%s: got %s in %s, want %s in %s", c.shell, line, file, c.line, c.file)
		}
	}
}
