//go:build torture && linux && amd64

package torture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regshape/store"
)

// leftovers lists the files that a settled store should not have. harmless is what opens
// nothing and hides nothing. A clear key in a store that is protected is the worst of them.
func (b *base) leftovers(t *testing.T, dir string, resumed bool) (bad, harmless []string) {
	t.Helper()
	s, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Custody()
	if err != nil {
		t.Fatal(err)
	}
	slots := ""
	if c.Source.Source == store.SourceSlots {
		slots = strings.TrimPrefix(s.Location().SlotsFolder(c.Source.Recipient), dir+"/")
	}
	for _, file := range tree(t, dir) {
		data, _ := os.ReadFile(filepath.Join(dir, file))
		key, err := store.ParseKeyLine(string(data))
		switch isKey := err == nil; {
		case isKey && file == "key" && c.Source.Source == store.SourceFile, file == "names", file == "config":
		case isKey && file == "key.next-"+c.KID && c.Source.Source == store.SourceFile && !there(filepath.Join(dir, "key")):
			harmless = append(harmless, file) // it is found there, too
		case isKey && isTemporary(file) && c.Source.Source == store.SourceFile:
			harmless = append(harmless, file)
		case isKey && isTemporary(file) && key.KID() != c.KID && key.KID() != b.kid:
			harmless = append(harmless, file) // a new key that has sealed nothing
		case isKey:
			bad = append(bad, file+" (a clear key)")
		case strings.HasPrefix(file, "v1/g-"+c.KID+"/") && (!strings.Contains(file, ".rekey") || strings.HasSuffix(file, "/.rekey/")):
		case slots != "" && (strings.HasPrefix(file, slots+"/") || file == "v1/key-"+c.KID+".age"):
		case isTemporary(file), strings.HasPrefix(file, "v1/slots/"): // doctor names the first when it is old
			harmless = append(harmless, file)
		case strings.HasPrefix(file, "v1/.retired-") && !resumed: // the next rotation removes it
			harmless = append(harmless, file)
		default:
			bad = append(bad, file)
		}
	}
	return bad, harmless
}
