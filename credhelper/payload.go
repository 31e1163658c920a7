package credhelper

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/docker/docker-credential-helpers/credentials"
)

// maxInput is what the protocol's own reader takes in one line (bufio.MaxScanTokenSize).
// It is checked first, so that a longer input is refused in plain words.
const maxInput = 64 << 10

var (
	errTooLong    = errors.New("the input is over 64 KiB; nothing was done: send less")
	errNotUTF8    = errors.New("the input is not valid UTF-8; nothing was stored: send UTF-8")
	errNotPayload = errors.New(`the input is not the JSON of a credential; nothing was stored: send {"ServerURL":"…","Username":"…","Secret":"…"}`)
)

// Input reads standard input. To whoever sits at a terminal it says what it waits for.
func (c Call) Input(what string) ([]byte, error) {
	if c.Terminal {
		end := "Ctrl-D"
		if runtime.GOOS == "windows" {
			end = "Ctrl-Z and Enter"
		}
		_, _ = fmt.Fprintf(c.Err, "%s waits for %s on standard input; end it with %s\n", c.Program, what, end)
	}
	data, err := io.ReadAll(io.LimitReader(c.In, maxInput+1))
	if err != nil {
		return nil, errors.New("standard input could not be read: try again")
	}
	data = bytes.TrimRight(data, "\r\n")
	if len(data) >= maxInput {
		return nil, errTooLong
	}
	return data, nil
}

// checkPayload refuses what the library would alter, or report with parts of the input:
// invalid UTF-8, half of a surrogate pair (both become U+FFFD in package json), and what is
// not a JSON object.
func checkPayload(data []byte) error {
	if !utf8.Valid(data) || hasLoneSurrogate(data) {
		return errNotUTF8
	}
	var c credentials.Credentials
	if json.Unmarshal(data, &c) != nil {
		return errNotPayload
	}
	return nil
}

// hasLoneSurrogate looks for a \uD800–\uDFFF escape that is not part of a pair (RFC 8259
// §8.2). Outside of strings a backslash is not JSON anyway.
func hasLoneSurrogate(data []byte) bool {
	escape := func(i int) (rune, bool) {
		if i+6 > len(data) || data[i] != '\\' || data[i+1] != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(string(data[i+2:i+6]), 16, 16)
		return rune(n), err == nil
	}
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		first, ok := escape(i)
		switch {
		case !ok:
			i++ // \" \\ \n and so on: the next byte starts no escape
		case utf16.IsSurrogate(first):
			second, ok := escape(i + 6)
			if !ok || utf16.DecodeRune(first, second) == utf8.RuneError {
				return true
			}
			i += 11
		default:
			i += 5
		}
	}
	return false
}
