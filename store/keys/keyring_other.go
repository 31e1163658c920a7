//go:build !linux

package keys

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/zalando/go-keyring"

	"regshape/store"
)

func systemRing() ring { return nativeRing{} }

// nativeRing is the Keychain or the Credential Manager. Their calls take no context.
type nativeRing struct{}

func (nativeRing) get(_ context.Context, account string) (string, error) {
	value, err := keyring.Get(ringService, account)
	return value, nativeError(err)
}

func (nativeRing) set(_ context.Context, account, value string) error {
	return nativeError(keyring.Set(ringService, account, value))
}

func (nativeRing) remove(_ context.Context, account string) error {
	return nativeError(keyring.Delete(ringService, account))
}

// unlock reads: where there is a session on the screen, the system asks when it must.
func (r nativeRing) unlock(ctx context.Context) error {
	if _, err := r.get(ctx, "none"); err != nil && !errors.Is(err, errNoItem) {
		return err
	}
	return nil
}

// interactionNotAllowed is the status with which security(1) of macOS ends when the
// Keychain is locked and nobody can be asked, as over SSH: the low byte of
// errSecInteractionNotAllowed, -25308.
const interactionNotAllowed = 36

func nativeError(err error) error {
	if errors.Is(err, keyring.ErrNotFound) {
		return errNoItem
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == interactionNotAllowed {
		return fmt.Errorf("%w: the OS keyring is locked: run 'security unlock-keychain'", store.ErrLocked)
	}
	if err != nil {
		return fmt.Errorf("OS keyring: %w", err)
	}
	return nil
}
