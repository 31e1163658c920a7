package canary

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"strconv"
)

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
