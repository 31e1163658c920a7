// Command release makes from one commit everything that is published of it, byte for byte
// the same wherever and whenever it runs.
//
//	release [-out dist] [-only linux/amd64] [-key FILE]
//
// In the directory -out, for each system (all six, or those of -only):
//
//	regshape_VERSION_OS_ARCH.tar.gz    the program, manual, completions, licences; .zip for windows
//	regshape_VERSION_linux_ARCH.deb    the same for Debian and its kin
//	regshape_VERSION_linux_ARCH.rpm    the same for Fedora and its kin
//	regshape_VERSION_OS_ARCH.cdx.json  what the program is made of (CycloneDX)
//	bin/OS_ARCH/                       the program as built, for the Containerfile
//	SHA256SUMS                         the checksum of every file above that has VERSION in its name
//	SHA256SUMS.sig                     its signature, where -key or REGSHAPE_SIGNING_KEY names a key
//
// The commit gives version and time, so it refuses a checkout with changes of its own. It
// runs in the top directory of the checkout and needs Go, git and, to sign, ssh-keygen.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"regshape/login/app"
)

func main() {
	out := flag.String("out", "dist", "`directory` to write to; it must be empty or missing")
	only := flag.String("only", "", "systems to build for, such as `linux/amd64,darwin/arm64`; all without it")
	key := flag.String("key", os.Getenv("REGSHAPE_SIGNING_KEY"), "ssh private key `file` that signs SHA256SUMS")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, *out, *only, *key)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release is one run: the commit it is made of, and where it goes.
type release struct {
	ctx   context.Context
	say   io.Writer
	out   string // absolute
	work  string // a temporary directory
	stamp stamp
	files []string // names in out that SHA256SUMS is to list
}

func run(ctx context.Context, say io.Writer, out, only, key string) error {
	targets, err := choose(only)
	if err != nil {
		return err
	}
	stamp, err := readStamp(ctx)
	if err != nil {
		return err
	}
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	if left, err := os.ReadDir(out); err == nil && len(left) > 0 {
		return fmt.Errorf("%s is not empty: remove it, or choose another directory with -out", out)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	r := &release{ctx: ctx, say: say, out: out, work: work, stamp: stamp}
	fmt.Fprintf(say, "regshape %s, commit %s of %s\n", stamp.version, stamp.commit, stamp.date())
	shared, err := sharedFiles(ctx, stamp)
	if err != nil {
		return err
	}
	for _, t := range targets {
		if err := r.make(t, shared); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	if err := r.checksums(); err != nil {
		return err
	}
	return r.sign(key)
}

// make builds all that is published for one system.
func (r *release) make(t target, shared []file) error {
	program, err := r.build(t)
	if err != nil {
		return err
	}
	parts, err := readParts(program)
	if err != nil {
		return err
	}
	licences, err := thirdParty(r.ctx, parts)
	if err != nil {
		return err
	}
	files := append([]file{{name: "LICENSES-THIRD-PARTY", data: licences}}, shared...)
	if err := r.bill(t, program, parts); err != nil {
		return err
	}
	if err := r.archive(t, program, files); err != nil {
		return err
	}
	if t.os != "linux" {
		return nil
	}
	return r.packages(t, program, files)
}

// stampOf is what the linker writes into the program, as the front end takes it.
func stampOf(s stamp) app.Build {
	return app.Build{Version: s.version, Commit: s.commit, Date: s.date()}
}

// namespace keeps a signature of a release from passing for one of something else that
// the same key signs; see ssh-keygen(1), -Y sign.
const namespace = "regshape-release"

const sums = "SHA256SUMS"

// checksums writes what `sha256sum --check SHA256SUMS` reads.
func (r *release) checksums() error {
	slices.Sort(r.files)
	var list bytes.Buffer
	for _, name := range r.files {
		data, err := os.ReadFile(filepath.Join(r.out, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(data), name)
	}
	fmt.Fprint(r.say, list.String())
	return os.WriteFile(filepath.Join(r.out, sums), list.Bytes(), 0o644)
}

// sign signs the checksums, and with them all that they name. ssh keys are what developers
// have, ssh-keygen verifies everywhere, and the key may be on a hardware token or, when
// only its public half is named, in the agent.
func (r *release) sign(key string) error {
	if key == "" {
		fmt.Fprintf(r.say, "no key is given: %s is NOT signed\n", sums)
		return nil
	}
	file := filepath.Join(r.out, sums)
	cmd := exec.CommandContext(r.ctx, "ssh-keygen", "-q", "-Y", "sign", "-f", key, "-n", namespace, file)
	if _, err := cmd.Output(); err != nil {
		return failed("sign "+sums+" with "+key, err)
	}
	fmt.Fprintf(r.say, "signed: %s.sig\n", file)
	return nil
}
