//go:build unix

package keys

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"regshape/store"
	"regshape/store/process"
)

// keychain is the Keychain of macOS through its program security(1), which is asked here and
// not through a library: that hands its own environment on, with what no child process may
// see, and takes no context.
//
// Where the Keychain is locked and there is a screen, the system itself may ask the user.
// Whether it is locked cannot be found out before without the same question.
type keychain struct{ program string }

// What security(1) ends with: the low byte of the system's status.
const (
	exitNotFound = 44 // errSecItemNotFound, -25300
	exitNobody   = 36 // errSecInteractionNotAllowed, -25308: it is locked, and nobody can be asked, as over SSH
)

// maxKeychainLine, in bytes, is what the program reads of a command.
const maxKeychainLine = 4096

// Items are in the form that github.com/zalando/go-keyring gives them, as 0.1.0 wrote them;
// the hexadecimal one is that of its earlier versions.
const (
	keychainBase64 = "go-keyring-base64:"
	keychainHex    = "go-keyring-encoded:"
)

func (k keychain) get(ctx context.Context, account string) (string, error) {
	out, err := k.run(ctx, "", "find-generic-password", "-s", ringService, "-wa", account)
	if err != nil {
		return "", err
	}
	value := strings.TrimSpace(string(out))
	var decoded []byte
	switch {
	case strings.HasPrefix(value, keychainBase64):
		decoded, err = base64.StdEncoding.DecodeString(value[len(keychainBase64):])
	case strings.HasPrefix(value, keychainHex):
		decoded, err = hex.DecodeString(value[len(keychainHex):])
	default:
		return value, nil
	}
	if err != nil { // the cause may quote it
		return "", fmt.Errorf("OS keyring: %w", store.ErrKeyDamaged)
	}
	return string(decoded), nil
}

// set hands the secret over on standard input: other processes can see the command line.
func (k keychain) set(ctx context.Context, account, value string) error {
	line := fmt.Sprintf("add-generic-password -U -s %s -a %s -w %s\n", ringService, account,
		keychainBase64+base64.StdEncoding.EncodeToString([]byte(value)))
	if len(line) > maxKeychainLine {
		return errors.New("OS keyring: the item is too large")
	}
	_, err := k.run(ctx, line, "-i")
	return err
}

func (k keychain) remove(ctx context.Context, account string) error {
	_, err := k.run(ctx, "", "delete-generic-password", "-s", ringService, "-a", account)
	return err
}

// unlock reads: where there is a screen, the system asks when it must.
func (k keychain) unlock(ctx context.Context) error {
	_, err := k.get(ctx, "none")
	if errors.Is(err, errNoItem) {
		return nil
	}
	return err
}

func (k keychain) run(ctx context.Context, input string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, k.program, args...) //nolint:gosec // the system's own program
	cmd.Env = process.ChildEnvironment(os.Environ())
	cmd.WaitDelay = commandRest
	cmd.Stdin = strings.NewReader(input)
	out := &process.Bounded{Limit: commandOutput, Full: func() {}} // it stops by itself
	complaint := &process.Bounded{Limit: commandError}
	cmd.Stdout, cmd.Stderr = out, complaint
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return out.Data, nil
	case ended && (exit.ExitCode() == exitNotFound || strings.Contains(string(complaint.Data), "could not be found")):
		return nil, errNoItem
	case ended && exit.ExitCode() == exitNobody:
		return nil, fmt.Errorf("%w: the OS keyring is locked: run 'security unlock-keychain'", store.ErrLocked)
	case ended:
		return nil, fmt.Errorf("OS keyring: check it in Keychain Access: %s failed (%v)%s", k.program, exit.ProcessState, quote(complaint))
	}
	return nil, fmt.Errorf("OS keyring: %w", err)
}
