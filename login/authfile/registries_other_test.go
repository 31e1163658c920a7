//go:build !unix

package authfile

import "testing"

// odd has nothing to check: FIFOs and plain symbolic links are Unix's.
func odd(*testing.T, string, Generation, func(what string, ok bool)) {}
