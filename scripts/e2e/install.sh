#!/bin/sh
# Installs what the end-to-end tests run against. From Debian: docker's engine with its
# client, podman, skopeo, buildah, docker-registry, htpasswd for its accounts, nginx to
# stand in front of it, git for Gitea, pass, sshd, and what makes namespaces. From the Go module
# proxy: the programs of clients/programs, built into a cache that all checkouts share;
# bin/clients links to them. Nothing else of the machine is used.
#
#	install.sh          what the checks of every change need
#	install.sh whole    also what takes minutes to build, where the cache does not have it
#	install.sh update   pins the newest versions, and installs nothing
set -eu
cd "$(dirname "$0")"
go=${GO:-go}
what=${1:-}
began=$(date +%s)

# update asks the proxy for the newest version of each module, and has the libraries of
# our own programs follow.
update() {
	grep '^#' programs
	grep -v '^#' programs | while read -r name module version package how; do
		if ! newest=$("$go" list -m -f '{{.Version}}' "$module@latest" 2>/dev/null); then
			echo "install.sh: the proxy does not list $module: $name stays at $version" >&2
			newest=$version
		fi
		case $how in *old*) newest=$version ;; esac
		[ "$newest" = "$version" ] || echo "install.sh: $name $version -> $newest" >&2
		[ "$how" != own ] || { "$go" -C "$package" get "$module@$newest" && "$go" -C "$package" mod tidy; } >&2
		printf '%-11s %-41s %-21s %-14s %s\n' "$name" "$module" "$newest" "$package" "$how" | sed 's/ *$//'
	done
}

# build TO NAME MODULE VERSION PACKAGE HOW... puts a program, and what it needs beside it,
# into the directory TO.
build() {
	to=$1 name=$2 module=$3 version=$4 package=$5
	shift 5
	cgo=0 copy='' own='' kubelet='' tags='' keep=''
	for word; do
		case $word in
		tags=*) tags=${word#tags=} ;;
		keep=*) keep=$(echo "${word#keep=}" | tr , ' ') ;; # what it reads while it runs
		cgo) cgo=1 ;;
		copy) copy=y ;;
		own) own=y ;;
		kubelet) copy=y kubelet=y ;;
		esac
	done
	set -- -trimpath -ldflags '-s -w' -tags "$tags"
	export CGO_ENABLED=$cgo
	if [ "$own" ]; then
		if [ "$("$go" -C "$package" list -m -f '{{.Version}}' "$module")" != "$version" ]; then
			echo "install.sh: the go.mod of $name has $module in another version than $version: run install.sh update" >&2
			return 1
		fi
		cd "$package"
		"$go" build "$@" -o "$to/" .
		return
	fi
	if [ ! "$copy" ]; then
		GOBIN=$to "$go" install "$@" "$module/${package#./}@$version"
		return
	fi
	# Go installs nothing of a module whose go.mod replaces others, or that has none.
	source=$("$go" mod download -json "$module@$version" | sed -n 's/^	"Dir": "\(.*\)",$/\1/p')
	if [ "$kubelet" ]; then
		# A program of our own with what the kubelet requires, whose own parts are served as modules.
		mkdir "$to/source"
		cp "$source/go.sum" "$package/main.go" "$to/source/"
		sed "s,^module .*,module kubeprobe\nrequire $module $version,; s,=> \./staging/src/\(.*\),=> \1 v0.${version#v1.}," \
			"$source/go.mod" >"$to/source/go.mod"
		package=.
	else
		cp -r "$source" "$to/source"
	fi
	chmod -R u+w "$to/source"
	cd "$to/source"
	if [ ! -e go.mod ]; then
		cp vendor.mod go.mod
		cp vendor.sum go.sum
		rm -r vendor
		# Docker's go.mod names a revision that is not served.
		"$go" mod edit -replace github.com/moby/swarmkit/v2=github.com/moby/swarmkit/v2@v2.0.0
	fi
	"$go" build -mod=mod "$@" -o "$to/$name" "$package"
	for dir in $keep; do mv "$dir" "$to/"; done
	cd "$to"
	rm -r source
}

if [ "$what" = update ]; then
	cd clients
	update >programs.new
	mv programs.new programs
	exit
fi

# Newer Debians have docker's client in a package of its own, beside the engine's.
sh ../debian.sh git pass docker-registry podman skopeo buildah htpasswd=apache2-utils nginx=nginx-light \
	sshd=openssh-server ssh=openssh-client dockerd=docker.io /usr/bin/docker=docker-cli,docker.io ip=iproute2 unshare=util-linux \
	swtpm tpm2_unseal=tpm2-tools systemd-creds=systemd "/usr/lib/$(uname -m)-linux-gnu/libtss2-tcti-swtpm.so.0=libtss2-tcti-swtpm0" \
	/usr/lib/podman/netavark=netavark gcc /usr/include/stdlib.h=libc6-dev /etc/ssl/certs/ca-certificates.crt=ca-certificates

mkdir -p ../../bin/clients
links=$(cd ../../bin/clients && pwd)
rm -f "$links"/*
cache=${REGSHAPE_E2E_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/regshape-e2e}
mkdir -p "$cache"
# Another run builds the same: on two cores that takes both twice the time.
exec 9>"$cache/.lock"
flock 9
compiler=$("$go" env GOVERSION)
half=
trap 'rm -rf "$half"' EXIT
trap 'exit 1' HUP INT TERM

cd clients
while read -r name module version package how; do
	case $name in '#'*) continue ;; esac
	# Whatever would make another program of it.
	recipe="$compiler $module $version $package $how"
	case $how in
	own) recipe="$recipe $(cat go.mod go.sum "$package"/*)" ;;
	*kubelet*) recipe="$recipe $(cat "$package"/*)" ;;
	esac
	ready=$cache/$name-$version-$(printf %s "$recipe" | sha256sum | cut -c 1-12)
	case "$how" in
	*long*) [ -d "$ready" ] || [ "$what" = whole ] || {
		echo "install.sh: $name takes minutes to build, and is not in $cache: left out"
		continue
	} ;;
	esac
	if [ ! -d "$ready" ]; then
		start=$(date +%s)
		half=$(mktemp -d "$cache/.$name-XXXXXX")
		# One word each, so no quotes.
		# shellcheck disable=SC2086
		(build "$half" "$name" "$module" "$version" "$package" $how) </dev/null
		chmod 755 "$half"
		mv -T "$half" "$ready"
		echo "install.sh: built $name $version in $(($(date +%s) - start)) s"
	fi
	ln -sf "$ready/$name" "$links/$name"
done <programs
echo "install.sh: all is there after $(($(date +%s) - began)) s"
