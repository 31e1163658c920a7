#!/bin/sh
# dpkg calls this with "remove", or "upgrade"; rpm with the number of versions that stay.
set -e
case "$1" in
remove | 0)
	cat <<'END'
regshape: users of 'regshape auth setup' run 'regshape auth setup --undo' before
the removal. After it, each of them edits by hand:
  ~/.docker/config.json: remove "credsStore": "regshape", and from "credHelpers"
      every entry that names regshape
  ~/.config/containers/registries.conf.d/50-regshape.conf: remove this file, and
      what else is called -regshape.conf there and below $XDG_CONFIG_HOME
Until then podman fails and docker finds no logins: the helper is missing.
END
	;;
esac
