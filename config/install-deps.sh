#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# install-deps.sh [--ci] [--bench]: installs from Debian's packages what building, the quickstart and
# the tests need and this machine lacks; with --ci also the second compiler and the checkers, with
# --bench what only the benchmark's plot and its peer Open vSwitch need.
# When nothing is missing it prints nothing, changes nothing and needs neither network nor root.
set -euo pipefail

# As needed with --no-install-recommends, so what gcc and others only recommend is named too.
packages=(
	# build
	gcc libc6-dev meson ninja-build pkgconf xz-utils
	libdpdk-dev libcunit1-dev libinih-dev libjansson-dev libmnl-dev libnuma-dev liburcu-dev
	# quickstart: testpmd, the wire, the container
	dpdk-dev ethtool iproute2 iputils-ping util-linux
	bubblewrap crun podman
	# tests
	procps python3 qemu-system-x86
)
ci_packages=(clang clang-format cppcheck shellcheck)
bench_packages=(gnuplot-nox openvswitch-common openvswitch-switch openvswitch-switch-dpdk)
policy=/usr/sbin/policy-rc.d # Debian's way to keep a package from starting its service

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

# The benchmark starts an Open vSwitch of its own: the packages' service is not to run for that.
keep_services_down() {
	[[ ! -e $policy ]] || return 0
	trap 'rm -f -- "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
}

main() {
	local -a missing
	local arg

	for arg in "$@"; do
		case $arg in
		--ci) packages+=("${ci_packages[@]}") ;;
		--bench) packages+=("${bench_packages[@]}") ;;
		*)
			echo "usage: install-deps.sh [--ci] [--bench]" >&2
			exit 2
			;;
		esac
	done
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
	if [[ " ${missing[*]} " == *' openvswitch-switch '* ]]; then
		keep_services_down
		echo "install-deps: openvswitch-switch's service is not started now; to keep it from" \
			"starting at boot: systemctl disable openvswitch-switch"
	fi
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
