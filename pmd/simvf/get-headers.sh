#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# get-headers.sh BUILDDIR: DPDK's driver headers, which Debian's libdpdk-dev leaves out, into
# BUILDDIR/dpdk-driver-headers. They come from the source package of exactly the installed version,
# from where the machine gets its packages, with a package state of its own in BUILDDIR: the
# system's lists and sources are only read. Prints the directory; fails with one line that says why.
# Does nothing if the headers of this version are there.
set -euo pipefail

limit=180 # seconds for all downloads: a build without network must not hang
headers=(
	lib/eal/include/dev_driver.h
	lib/eal/include/bus_driver.h
	lib/ethdev/ethdev_driver.h
	lib/ethdev/ethdev_vdev.h
	lib/ethdev/rte_flow_driver.h
	drivers/bus/vdev/bus_vdev_driver.h
)

die() {
	echo "get-headers: $*" >&2
	exit 1
}

# The machine's own sources, as deb-src.
copy_sources() {
	local file

	mkdir -p "$apt/sources"
	# Names must keep their suffix: it tells apt the format.
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[[ ! -f $file ]] ||
			sed -n 's/^deb\(-src\)\?[[:space:]]/deb-src /p' "$file" >"$apt/sources/${file##*/}"
	done
	[[ ! -f $apt/sources/sources.list ]] || mv "$apt/sources/sources.list" "$apt/sources/main.list"
	for file in /etc/apt/sources.list.d/*.sources; do
		[[ ! -f $file ]] || sed 's/^Types:.*/Types: deb-src/' "$file" >"$apt/sources/${file##*/}"
	done
}

run_apt() {
	timeout "$limit" apt-get --quiet=2 \
		-o Dir::State="$apt/state" -o Dir::State::status=/var/lib/dpkg/status \
		-o Dir::Cache="$apt/cache" \
		-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$apt/sources" \
		-o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none \
		-o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \
		"$@" </dev/null
}

# Into $apt/source, checked by apt against the signed lists.
download() {
	local source=$1 version=$2

	rm -rf "$apt"
	mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/source"
	copy_sources
	# Other sources of the machine may fail: what counts is whether the package is found.
	run_apt update >"$apt/log" 2>&1 || :
	(cd "$apt/source" && run_apt source --download-only --only-source "$source=$version") \
		>>"$apt/log" 2>&1
}

unpack() {
	local -a tarball=("$apt"/source/*.orig.tar.*)
	local top

	[[ -f ${tarball[0]} ]] || return
	top=$(tar -tf "${tarball[0]}" | sed -n '1s|/.*||p;1q' || :)
	rm -rf "$out.new"
	mkdir "$out.new"
	tar -xf "${tarball[0]}" -C "$out.new" --transform 's|.*/||' "${headers[@]/#/$top/}"
}

if (($# != 1)) || [[ ! -d $1 ]]; then
	die "usage: get-headers.sh BUILDDIR"
fi
build=$(cd -- "$1" && pwd)
out=$build/dpdk-driver-headers
apt=$build/dpdk-driver-headers.apt
for tool in apt-get dpkg-query tar xz; do
	command -v "$tool" >/dev/null || die "needs $tool"
done
package=$(dpkg-query -W -f '${source:Package} ${source:Version}' libdpdk-dev 2>/dev/null) ||
	die "libdpdk-dev is not an installed package: its driver headers cannot be found"
if [[ -f $out/version && $(<"$out/version") == "$package" ]]; then
	echo "$out"
	exit 0
fi
read -r source version <<<"$package"
download "$source" "$version" ||
	die "no source package of $source $version: $(grep -m 1 '^E:' "$apt/log" || echo "no answer in $limit s")"
unpack || die "cannot unpack the headers from $source $version"
rm -rf "$out" "$apt"
echo "$package" >"$out.new/version"
mv "$out.new" "$out"
echo "$out"
