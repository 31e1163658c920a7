// Package user notices what the tests of a part do not.
package user

import (
	"testing"

	"toy/part"
)

func TestSmall(t *testing.T) {
	if part.Small(7) {
		t.Error("7 is small")
	}
}
