package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

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
