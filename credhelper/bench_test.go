package credhelper

import (
	"strings"
	"testing"

	"github.com/docker/docker-credential-helpers/credentials"
)

// benchStore has one credential.
func benchStore(b *testing.B) (dir string) {
	b.Helper()
	dir = b.TempDir()
	in := `{"ServerURL":"registry.example.com","Username":"bench","Secret":"correct horse battery staple"}`
	if code, out, _ := call(dir, credentials.ActionStore, strings.NewReader(in)); code != 0 {
		b.Fatal(out)
	}
	return dir
}

// A whole call but for the process around it.
func BenchmarkGet(b *testing.B) {
	dir := benchStore(b)
	b.ReportAllocs()
	for b.Loop() {
		code, out, _ := call(dir, credentials.ActionGet, strings.NewReader("registry.example.com\n"))
		if code != 0 || !strings.Contains(out, `"Username":"bench"`) {
			b.Fatalf("%d, %d bytes of output", code, len(out))
		}
	}
}

func BenchmarkGetMissing(b *testing.B) {
	dir := benchStore(b)
	b.ReportAllocs()
	for b.Loop() {
		code, out, _ := call(dir, credentials.ActionGet, strings.NewReader("nowhere.example.com\n"))
		if code != 1 || !credentials.IsErrCredentialsNotFoundMessage(out) {
			b.Fatalf("%d, %d bytes of output", code, len(out))
		}
	}
}
