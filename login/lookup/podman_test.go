package lookup

import (
	"slices"
	"testing"

	"regshape/login/authfile"
)

func TestRulesOf(t *testing.T) {
	podman4, skopeo1 := []authfile.Generation{authfile.Podman4}, []authfile.Generation{authfile.Skopeo1}
	podman6, buildah1 := []authfile.Generation{authfile.Podman6}, []authfile.Generation{authfile.Podman4, authfile.Skopeo1}
	for _, c := range []struct {
		name, answer string
		want         []authfile.Generation
	}{
		{"podman", "podman version 4.3.1", podman4},
		{"podman", "podman.exe version 5.8.2", podman4},
		{"podman", "podman version 6.0.0-dev", podman6},
		{"podman", "podman version 10.1", podman6},
		{"skopeo", "skopeo version 1.9.3", skopeo1},
		{"skopeo", "skopeo version 1.22.2 commit: 4a1b", skopeo1},
		{"skopeo", "skopeo version 1.23.0", podman6},
		{"buildah", "buildah version 1.43.1 (image-spec 1.1.1, runtime-spec 1.3.0)", buildah1},
		{"buildah", "buildah version 1.44.0 (image-spec 1.1.1, runtime-spec 1.3.0)", podman6},
		{"buildah", "buildah version 2.0.0", podman6},
		{"podman", "", authfile.Generations},
		{"podman", "podman version unknown", authfile.Generations},
	} {
		if got := rulesOf(c.name, c.answer); !slices.Equal(got, c.want) {
			t.Errorf("%q: got %v, want %v", c.answer, got, c.want)
		}
	}
}
