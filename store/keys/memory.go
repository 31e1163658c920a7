package keys

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

const (
	// maxWorkFactor is four times what is written here: 1 GiB of memory, and some 4 s. Other
	// programs of age's choose by the machine, and stay below that. What a file asks for
	// beyond is to keep whoever opens it busy.
	maxWorkFactor = workFactor + 2

	// maxWork is what all slots together may take, as that of sixteen that are written here.
	maxWork = 16 << workFactor

	// memoryMargin, in bytes, is for the rest of the program.
	memoryMargin = 32 << 20

	mebibyte = 1 << 20
)

// scryptWork returns the log2 of scrypt's N that the header of an age file asks for, and
// 0 where it is not encrypted with a passphrase. See https://age-encryption.org/v1.
func scryptWork(data []byte) (logN int, err error) {
	_, rest, _ := bytes.Cut(data, []byte("\n")) // the version
	for stanzas := 0; ; {
		line, more, found := bytes.Cut(rest, []byte("\n"))
		rest = more
		switch {
		case !found:
			return 0, errDamagedAge
		case bytes.HasPrefix(line, []byte("--- ")):
			if stanzas == 0 || logN > 0 && stanzas > 1 { // a passphrase stands alone
				return 0, errDamagedAge
			}
			return logN, nil
		case !bytes.HasPrefix(line, []byte("-> ")):
			continue
		}
		stanzas++
		words := bytes.Split(line, []byte(" "))
		if string(words[1]) != "scrypt" {
			continue
		}
		if len(words) != 4 {
			return 0, errDamagedAge
		}
		if logN, err = strconv.Atoi(string(words[3])); err != nil || logN < 1 {
			return 0, errDamagedAge
		}
		if logN > maxWorkFactor {
			return 0, fmt.Errorf("its passphrase takes a work factor of 2^%d, and more than 2^%d is refused: use another one", logN, maxWorkFactor)
		}
	}
}

// headroom is memory that can still be had, and what limits it.
type headroom struct {
	bytes uint64
	limit string // "the machine", …
}

// checkMemory refuses to start a scrypt that there is no memory for: the run-time would
// end the program, or the kernel kill it, with words that help nobody.
func checkMemory(logN int) error {
	room, known := availableMemory(os.DirFS("/"))
	if !known {
		return nil
	}
	need := uint64(1024)<<logN + memoryMargin // 128 · r · N bytes, and r is 8
	if room.bytes >= need {
		return nil
	}
	return fmt.Errorf("%w: it takes %d MiB here, and %s leaves %d MiB", ErrMemory, need/mebibyte, room.limit, room.bytes/mebibyte)
}
