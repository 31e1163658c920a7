package keys

import "crypto/fips140"

// checkFIPS stands before every use of age. A key that is unlocked already needs none.
func checkFIPS() error {
	if fips140.Enforced() {
		return ErrFIPS
	}
	return nil
}
