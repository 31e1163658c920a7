package login

import (
	"regshape/store"
	"regshape/store/keys"
)

func (e *env) locate() (store.Location, error) {
	return store.Locate(store.Options{Dir: e.Store, Profile: e.Profile, SudoUID: e.Getenv("SUDO_UID")})
}

// openStore opens the store that the flags and the environment name.
func (e *env) openStore() (*store.Store, error) {
	loc, err := e.locate()
	if err != nil {
		return nil, err
	}
	return store.Open(loc, e.sources())
}

// sources knows where keys can be, also by the environment.
func (e *env) sources() keys.Sources {
	return keys.Sources{KeyFile: absolute(e.Getenv("REGSHAPE_KEY_FILE"))}
}
