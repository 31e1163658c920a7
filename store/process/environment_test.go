package process

import (
	"slices"
	"testing"
)

func TestChildEnvironment(t *testing.T) {
	got := ChildEnvironment([]string{
		"PATH=/bin", "REGSHAPE_PASSWORD=canary", "EMPTY=", "regshape_password=canary", "DOCKER_AUTH_CONFIG={}",
		"Docker_Auth_Config=canary", "REGSHAPE_PASSWORD_FILE=/f", "odd", "A=B=C", "REGSHAPE_PASSWORD=again", "LAST=x",
	})
	want := []string{"PATH=/bin", "EMPTY=", "REGSHAPE_PASSWORD_FILE=/f", "odd", "A=B=C", "LAST=x"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
