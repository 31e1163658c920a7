//go:build !linux && !darwin

package keys

import (
	"context"
	"errors"
	"fmt"

	"github.com/zalando/go-keyring"
)

func systemRing() ring { return nativeRing{} }

// nativeRing is the Credential Manager. Its calls take no context.
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

func nativeError(err error) error {
	if errors.Is(err, keyring.ErrNotFound) {
		return errNoItem
	}
	if err != nil {
		return fmt.Errorf("OS keyring: %w", err)
	}
	return nil
}
