#!/bin/sh
# Installs what the end-to-end tests run against, on Debian: real docker, podman,
# skopeo and buildah clients, docker's engine, a real docker-registry, htpasswd for its
# accounts, nginx to stand in front of it, and what makes namespaces. Clients that Debian
# does not have are built with Go into bin/clients.
set -eu
cd "$(dirname "$0")"

# Newer Debians have docker's client in a package of its own, beside the engine's.
sh ../debian.sh docker-registry podman skopeo buildah htpasswd=apache2-utils nginx=nginx-light \
	dockerd=docker.io docker=docker-cli,docker.io ip=iproute2 unshare=util-linux \
	/etc/ssl/certs/ca-certificates.crt=ca-certificates

# Built again when their versions or our own programs have changed. With an empty cache
# Go needs nine minutes of CPU time for them, seven of these for helm.
out=../../../bin/clients
mkdir -p ../../bin/clients
old=
for program in podmanprobe crane regctl helm orasprobe ggcrprobe; do
	sources=clients
	if [ $program = podmanprobe ]; then sources=podmanprobe; fi
	if [ ! -x "../../bin/clients/$program" ] ||
		[ -n "$(find $sources -type f -newer "../../bin/clients/$program" -print -quit)" ]; then
		old="$old $program"
	fi
done
if [ -z "$old" ]; then
	echo "install.sh: the clients in bin/clients are up to date"
	exit 0
fi
echo "install.sh: building$old"
packages=
build() (
	cd "$1"
	shift
	CGO_ENABLED=0 "${GO:-go}" build -trimpath -ldflags '-s -w' -o "$out/" "$@"
)
for program in $old; do
	case $program in
	podmanprobe) build podmanprobe . ;;
	crane) packages="$packages github.com/google/go-containerregistry/cmd/crane" ;;
	regctl) packages="$packages github.com/regclient/regclient/cmd/regctl" ;;
	helm) packages="$packages helm.sh/helm/v4/cmd/helm" ;;
	*) packages="$packages ./$program" ;;
	esac
done
# One word a package, so no quotes.
# shellcheck disable=SC2086
[ -z "$packages" ] || build clients $packages
# Go leaves a file alone that would not change.
for program in $old; do touch "../../bin/clients/$program"; done
