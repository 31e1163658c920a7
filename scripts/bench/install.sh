#!/bin/sh
# Installs what `make bench` compares with, on Debian: docker's helpers for pass and the
# Secret Service with what stands behind them, and strace, which counts system calls. It
# starts no service, and installs nothing when all is there.
set -eu

missing=
need() { # need PROGRAM PACKAGE
	command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need docker-credential-pass golang-docker-credential-helpers
need pass pass
need gpg gnupg
need tree tree # pass needs it for what docker's helper asks first
need dbus-run-session dbus-daemon
need gnome-keyring-daemon gnome-keyring
need strace strace

if [ -z "$missing" ]; then
	echo "install.sh: all is here"
	exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "install.sh: no apt-get here; install by hand:$missing" >&2
	exit 1
fi
sudo=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "install.sh: needs root or sudo to install:$missing" >&2
		exit 1
	fi
	sudo=sudo
fi

# Debian starts the services of a package it installs unless this file says no
# (invoke-rc.d(8)). One that is there already is somebody's decision: it stays.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
	$sudo chmod 0755 "$policy"
	# shellcheck disable=SC2064 # the values of now are meant
	trap "$sudo rm -f $policy" EXIT
	trap 'exit 1' HUP INT TERM
fi

echo "install.sh: note: once it finds pass and docker-credential-pass, a docker without any login uses them" >&2
$sudo apt-get -qq update </dev/null
echo "install.sh: installing$missing"
# One word a package, so no quotes.
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install \
	$missing </dev/null

for program in docker-credential-pass docker-credential-secretservice pass gpg tree dbus-run-session gnome-keyring-daemon strace; do
	if ! command -v "$program" >/dev/null 2>&1; then
		echo "install.sh: $program is still missing" >&2
		exit 1
	fi
done
