package keys

import (
	"crypto/fips140"
	"errors"
)

// ErrFIPS means that age was asked for where only approved cryptography may run
// (GODEBUG=fips140=only). What age needs panics, fails or hangs there.
var ErrFIPS = errors.New("age is not approved in FIPS 140 mode: use the key file, " +
	"a command ('regshape auth key protect --command') or the OS keyring ('regshape auth key protect --keyring')")

// checkFIPS stands before every use of age. A key that is unlocked already needs none.
func checkFIPS() error {
	if fips140.Enforced() {
		return ErrFIPS
	}
	return nil
}
