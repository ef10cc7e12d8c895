#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# install-deps.sh [--ci]: installs from Debian's packages what building, the quickstart and the
# tests need and this machine lacks; with --ci also the second compiler and the checkers.
# When nothing is missing it prints nothing, changes nothing and needs neither network nor root.
set -euo pipefail

# As needed with --no-install-recommends, so what gcc and others only recommend is named too.
packages=(
	# build
	gcc libc6-dev meson ninja-build pkgconf xz-utils
	libdpdk-dev libcunit1-dev libinih-dev libjansson-dev libnuma-dev liburcu-dev
	# quickstart: testpmd, the wire, the container
	dpdk-dev ethtool iproute2 iputils-ping util-linux
	bubblewrap crun podman
	# tests
	procps python3
)
ci_packages=(clang clang-format cppcheck shellcheck)

missing_packages() {
	local package

	for package in "${packages[@]}"; do
		# A package removed but not purged is still known to dpkg: look at its state.
		[[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
			echo "$package"
	done
}

install() {
	DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends \
		-o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@" </dev/null
}

# The package lists may be absent (fresh image) or too old (a version that the mirror has replaced):
# fetch them only if it does not work without.
install_with_update() {
	if apt-get install --simulate --no-install-recommends "$@" >/dev/null 2>&1 && install "$@"; then
		return 0
	fi
	echo "install-deps: fetching the package lists"
	# A failing foreign source need not matter: apt-get install decides.
	apt-get update --quiet </dev/null || :
	install "$@"
}

main() {
	local -a missing

	case ${1:-} in
	'') ;;
	--ci) packages+=("${ci_packages[@]}") ;;
	*)
		echo "usage: install-deps.sh [--ci]" >&2
		exit 2
		;;
	esac
	if ! command -v apt-get >/dev/null; then
		echo "install-deps: this system has no apt-get; vfring needs what Debian calls:" >&2
		echo "  ${packages[*]}" >&2
		exit 1
	fi
	mapfile -t missing < <(missing_packages)
	if ((${#missing[@]} == 0)); then
		return 0
	fi
	if ((EUID != 0)); then
		echo "install-deps: run as root to install: ${missing[*]}" >&2
		exit 1
	fi
	echo "install-deps: installing ${missing[*]}"
	if ! install_with_update "${missing[@]}"; then
		echo "install-deps: apt-get could not install: ${missing[*]}" >&2
		exit 1
	fi
	mapfile -t missing < <(missing_packages)
	if ((${#missing[@]} != 0)); then
		echo "install-deps: still missing: ${missing[*]}" >&2
		exit 1
	fi
}

main "$@"
