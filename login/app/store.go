package app

import (
	"regshape/store"
	"regshape/store/keys"
	"regshape/store/source"
)

// Locate finds the store that the flags and the environment name.
func (e *Env) Locate() (store.Location, error) { return locateProfile(e, e.Profile) }

func locateProfile(e *Env, profile string) (store.Location, error) {
	return store.Locate(store.Options{Dir: e.Store, Profile: profile, SudoUID: e.Getenv("SUDO_UID"), Notice: passedOver(e)})
}

// passedOver warns of what is wrong with a store and stops nothing.
func passedOver(e *Env) func(error) {
	return func(err error) { e.Warn("%s.", e.Problem(err)) }
}

// Logins answers from a store, and starts the programs of its logins.
func Logins(e *Env, s *store.Store) source.Source {
	return source.New(s, passedOver(e), ownFlags(e)...)
}

// OpenStore opens the store that the flags and the environment name.
func (e *Env) OpenStore() (*store.Store, error) { return OpenProfile(e, e.Profile) }

// Sources knows where keys can be, also by the environment.
func Sources(e *Env) keys.Sources {
	return keys.Sources{KeyFile: absolute(e.Getenv("REGSHAPE_KEY_FILE"))}
}

// OpenProfile opens the store of a profile beside the one that the flags name.
func OpenProfile(e *Env, profile string) (*store.Store, error) {
	loc, err := locateProfile(e, profile)
	if err != nil {
		return nil, err
	}
	return store.Open(loc, Sources(e))
}
