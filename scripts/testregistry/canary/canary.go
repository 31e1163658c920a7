// Package canary finds a secret where it must not be: in files, logs and outputs,
// in clear or in one of the encodings that hide it from a plain search.
package canary

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// spelling is one way to write a secret.
type spelling struct {
	name string
	text []byte
}

func spellings(secret string) []spelling {
	quoted, _ := json.Marshal(secret) // a string always marshals
	all := []spelling{
		{"raw", []byte(secret)},
		{"JSON", quoted[1 : len(quoted)-1]},
		{"hex", []byte(hex.EncodeToString([]byte(secret)))},
		{"URL query", []byte(url.QueryEscape(secret))},
		{"URL path", []byte(url.PathEscape(secret))},
	}
	// Within the base64 of user:password the password looks different with the
	// length of what stands before it, modulo 3. The characters at both ends also
	// hold bits of the neighbours, so they go.
	for _, code := range []struct {
		name string
		*base64.Encoding
	}{{"base64", base64.RawStdEncoding}, {"base64url", base64.RawURLEncoding}} {
		for before := range 3 {
			text := code.EncodeToString(append(make([]byte, before), secret...))
			if (before+len(secret))%3 != 0 {
				text = text[:len(text)-1]
			}
			all = append(all, spelling{code.name, []byte(text[(before*8+5)/6:])})
		}
	}
	return all
}

// Find names the first spelling of any of the secrets that data holds, or returns
// "". Secrets under 8 bytes are looked for too, but may be found by chance.
func Find(data []byte, secrets ...string) string {
	for _, secret := range secrets {
		if secret == "" {
			continue // which is everywhere
		}
		for _, s := range spellings(secret) {
			if bytes.Contains(data, s.text) {
				return s.name
			}
		}
	}
	return ""
}

// Redact replaces every spelling of every secret in a text that is to be shown.
func Redact(text string, secrets ...string) string {
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		for _, s := range spellings(secret) {
			text = strings.ReplaceAll(text, string(s.text), "[redacted]")
		}
	}
	return text
}

// Tree looks into every regular file below dir, and at every name. It returns how
// many files it read, and a line (file: spelling) for each that holds a secret. A
// file that cannot be read is an error: it might hold one.
func Tree(dir string, secrets ...string) (files int, found []string, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data := []byte(name + "\n")
		if entry.Type().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			data = append(data, content...)
			files++
		}
		if how := Find(data, secrets...); how != "" {
			found = append(found, fmt.Sprintf("%s: %s", Redact(name, secrets...), how))
		}
		return nil
	})
	return files, found, err
}

// words are the numbers of a stack trace that may be data: arguments and registers, also
// those of which the run-time is not sure, and not the addresses of frames.
var (
	frames = regexp.MustCompile(`\b(fp|sp|pc)=0x[0-9a-f]+|\+0x[0-9a-f]+`)
	words  = regexp.MustCompile(`\b(?:0x)?([0-9a-f]{1,16})\b`)
)

// InTrace returns how many 4 bytes in a row of a key a stack trace holds, in the words of
// either byte order.
func InTrace(trace string, keys ...[]byte) (found int) {
	var little, big []byte
	for _, m := range words.FindAllStringSubmatch(frames.ReplaceAllString(trace, ""), -1) {
		n, err := strconv.ParseUint(m[1], 16, 64)
		if err != nil {
			continue
		}
		little = binary.LittleEndian.AppendUint64(little, n)
		big = binary.BigEndian.AppendUint64(big, n)
	}
	for _, key := range keys {
		for i := range len(key) - 3 {
			if run := key[i : i+4]; bytes.Contains(little, run) || bytes.Contains(big, run) {
				found++
			}
		}
	}
	return found
}
