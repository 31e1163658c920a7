//go:build unix

package store_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"regshape/scripts/testenv"
)

// tamperWithBits flips bits of every file, cuts it, and adds a byte: everywhere in a whole
// run, else in each byte of a file's beginning, in every part of the rest, and here and there.
func (g *target) tamperWithBits() {
	sample, writes, writeEvery := testenv.NewSample(g.t, 101), 0, 47
	if testenv.Whole() {
		writeEvery = 499
	}
	part := func(at, size int) int {
		if at < 32 {
			return -at
		}
		return 32 * at / size
	}
	sometimes := func(what string) {
		if writes++; writes%writeEvery == 0 {
			g.judgeWrite(what)
			g.restore()
		}
	}
	for _, name := range g.good.names() {
		good, step := []byte(g.good[name]), 1
		switch kindOf(name) {
		case "an entry":
			step = g.bits
		case "the encrypted key", "a slot":
			step = g.keyBits
		}
		what := "a bit flipped in " + kindOf(name)
		for bit := 0; bit < len(good)*8; bit += step {
			if !sample.Take(fmt.Sprint("bit of ", name, part(bit/8, len(good)))) {
				continue
			}
			bad := []byte(g.good[name])
			bad[bit/8] ^= 1 << (bit % 8)
			g.put(name, bad)
			g.judge(what)
			sometimes(what)
		}
		what = kindOf(name) + " made shorter or longer"
		for n := 0; n < len(good); n += (step + 7) / 8 {
			if !sample.Take(fmt.Sprint("end of ", name, 16*n/len(good))) {
				continue
			}
			g.put(name, good[:n])
			g.judge(what)
			sometimes(what)
		}
		for _, b := range []byte{0, '\n', 'x', good[len(good)-1]} {
			g.put(name, append([]byte(g.good[name]), b))
			g.judge(what)
			g.judgeWrite(what)
			g.restore()
		}
	}
}

// tamperWithFiles removes each file, and puts something else in its place.
func (g *target) tamperWithFiles() {
	aside := filepath.Join(g.t.TempDir(), "aside")
	for _, name := range g.good.names() {
		path := filepath.Join(g.dir, name)
		const other = "replaced by a directory, a pipe or a link"
		for _, as := range []struct {
			what    string
			replace func() error
		}{
			{"removed", func() error { return nil }},
			{other, func() error { return os.Mkdir(path, 0o700) }},
			{other, func() error { return syscall.Mkfifo(path, 0o600) }},
			{other, func() error { return os.Symlink(aside, path) }},
			{other, func() error { return os.Symlink(aside+"-none", path) }},
			{"opened to all users", func() error {
				if err := os.WriteFile(path, []byte(g.good[name]), 0o600); err != nil {
					return err
				}
				return os.Chmod(path, 0o666)
			}},
		} {
			if err := os.WriteFile(aside, []byte(g.good[name]), 0o600); err != nil {
				g.t.Fatal(err)
			}
			if err := os.Remove(path); err != nil {
				g.t.Fatal(err)
			}
			if err := as.replace(); err != nil {
				g.t.Fatal(err)
			}
			what := kindOf(name) + " " + as.what
			g.judgeOdd(what)
			g.judgeWrite(what)
			if data, err := os.ReadFile(aside); err != nil || string(data) != g.good[name] {
				g.t.Errorf("%s: %s: what a link leads to was changed (%v)", g.name, what, err)
			}
			g.restore()
		}
	}
	for name := range g.good {
		if isEntry(name) {
			if err := os.Remove(filepath.Join(g.dir, name)); err != nil {
				g.t.Fatal(err)
			}
		}
	}
	g.judgeOdd("all entries removed")
	g.judgeWrite("all entries removed")
	g.restore()
}

// exchangeFiles copies each file over each other one, and swaps them: within the store,
// and with a store under the same key whose secrets are of an earlier time.
func (g *target) exchangeFiles() {
	earlier := g.earlier()
	tries := 0
	try := func(what string, files tree) {
		tries++
		files.write(g.t, g.dir)
		g.judge(what)
		if tries%2 == 0 {
			g.judgeWrite(what)
		}
	}
	names := g.good.names()
	for i, to := range names {
		for j, from := range names {
			if i != j {
				files := maps.Clone(g.good)
				files[to] = g.good[from]
				try("a file copied over another", files)
			}
			if i < j {
				files := maps.Clone(g.good)
				files[to], files[from] = g.good[from], g.good[to]
				try("two files swapped", files)
			}
			files := maps.Clone(g.good)
			files[to] = earlier[from]
			switch {
			case i != j:
				try("an older file copied over another", files)
			case isEntry(to):
				try("an older entry of the same address put back", files)
			default:
				try("an older file put back", files)
			}
		}
	}
	g.restore()
}

// earlier is the store as it was when other secrets were in it, under the same key.
func (g *target) earlier() tree {
	g.fill(g.t, g.dir, foreign)
	defer g.restore()
	return readTree(g.t, g.dir)
}

// exchangeStores replaces some of data, key, names and config by those of another store,
// and by those of the same store before its key was changed.
func (g *target) exchangeStores() {
	another := filepath.Join(g.t.TempDir(), "another")
	g.another(g.t, another)
	before := readTree(g.t, another)
	g.exchangeParts("another store's", g.good, before)
	g.change(g.t, another)
	g.fill(g.t, another, "")
	g.exchangeParts("those before a change of the key", readTree(g.t, another), before)
	g.restore()
}

// exchangeParts tries every choice of parts.
func (g *target) exchangeParts(whose string, good, bad tree) {
	parts := []func(name string) bool{
		func(name string) bool { return strings.HasPrefix(name, "v1/") },
		func(name string) bool { return name == "config" },
		func(name string) bool { return name == "names" },
		func(name string) bool { return kindOf(name) == "the key" },
	}
	for choice := 1; choice < 1<<len(parts); choice++ {
		files := tree{}
		for i, part := range parts {
			from := good
			if choice&(1<<i) != 0 {
				from = bad
			}
			for name, data := range from {
				if part(name) {
					files[name] = data
				}
			}
		}
		what := "data, key, names or config replaced by " + whose
		if choice&3 == 3 && (choice&8 != 0 || g.keyInData) {
			what = "data, key and config replaced by " + whose
		}
		files.write(g.t, g.dir)
		g.judgeOdd(what)
		g.judgeWrite(what)
	}
}
