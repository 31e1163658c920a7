// Package repocheck has the rules of the repository itself: which package may import which,
// where files stand, what tests may hand to a process, that each promise has its tests, and
// that the documents are short, complete and without broken links.
package repocheck

import (
	"os"
	"testing"

	"regshape/scripts/testenv"
)

func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil { // to the root of the module
		panic(err)
	}
	testenv.Main(m)
}
