#!/bin/sh
# Installs the Debian packages of what is missing. It starts no service, and does nothing
# when all is there.
#
#	debian.sh THING[=PACKAGE[,PACKAGE]]...
#
# A THING is a program, or a file by its absolute path. Its PACKAGE bears its name unless
# given; of several, the first that this Debian has.
set -eu

# Where Debian puts servers; not every user has the folders on PATH.
PATH=$PATH:/usr/sbin:/sbin

here() {
	case $1 in
	/*) [ -e "$1" ] ;;
	*) command -v "$1" >/dev/null 2>&1 ;;
	esac
}

missing=
for want; do
	here "${want%%=*}" || missing="$missing ${want#*=}"
done
if [ -z "$missing" ]; then
	exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "debian.sh: no apt-get here; install by hand:$missing" >&2
	exit 1
fi
sudo=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "debian.sh: needs root or sudo to install:$missing" >&2
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

$sudo apt-get -qq update </dev/null
packages=
for alternatives in $missing; do
	for package in $(echo "$alternatives" | tr , ' '); do
		if apt-cache show "$package" >/dev/null 2>&1; then
			break
		fi
	done
	packages="$packages $package" # the last one, if Debian has none: apt says so
done
echo "debian.sh: installing$packages"
# One word a package, so no quotes.
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install \
	$packages </dev/null

for want; do
	if ! here "${want%%=*}"; then
		echo "debian.sh: ${want%%=*} is still missing" >&2
		exit 1
	fi
done
