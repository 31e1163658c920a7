package forward

import (
	"testing"

	"regshape/scripts/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }
