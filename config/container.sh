#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Starts a program in an unprivileged container: the host's root file system read-only, one socket
# directory, an unused uid, no capability, no network, no device, no hugepages.
#
# Sourced, it gives these functions (a container belongs to the shell that started it, so do not
# call container_start in a subshell; when that shell dies, even by kill -9, the container dies):
#
#	container_start [-H] [-w] [-b DIR]... NAME SOCKDIR LOGFILE -- PROGRAM [ARG]...
#		-H	also has /dev/hugepages, of its own (the pages come from the host's pool)
#		-w	SOCKDIR is writable (for a program that listens on its socket)
#		-b DIR	also shows DIR, read-only (a program outside the root file system)
#		sets CONTAINER_PID, the program's pid on the host
#	container_pid NAME		prints that pid; fails if the program has ended
#	container_send NAME TEXT	writes a line to the program's standard input
#	container_kill NAME SIGNAL	signals the program itself
#	container_stop NAME		TERM, then KILL; everything of it is gone afterwards
#	container_privileges NAME	prints uid, capabilities and the like, as the kernel sees them
#	container_runtime		chooses podman, bwrap or unshare: sets CONTAINER_RUNTIME
#
# Executed, for callers in other languages:
#
#	container.sh run [-H] [-w] [-b DIR]... SOCKDIR -- PROGRAM [ARG]...
#		runs in the foreground with the caller's standard input and output
#	container.sh pid PID		the program's pid, given the pid of "container.sh run"
#	container.sh runtime		the runtime that would be used
#
# VFRING_CONTAINER=podman|bwrap|unshare forces a runtime.
#
# Whatever the runtime, it runs inside a mount and a pid namespace of ours. So its mounts, its
# storage and its helpers (conmon) cannot outlive it: the kernel removes them with the namespaces.

# Neither Debian nor systemd hands this id to anybody (65520..65533 are unused), so the program owns
# no file and shares its uid with no other process. The socket's group must be this one.
CONTAINER_UID=65533
CONTAINER_SH=$(readlink -f -- "${BASH_SOURCE[0]}")
CONTAINER_START_LIMIT=20 # seconds, for a start and for a probe of a runtime
CONTAINER_STOP_LIMIT=3   # seconds from TERM to KILL
CONTAINER_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# ---- inside: pid 1 of our namespaces, before the runtime proper ------------------------------

in_hugedir=/run/hugepages

# /run and /dev/shm hold the host's other sockets, and the runtimes' state and locks: give the
# runtime empty ones, with only the socket directory bound back.
inside_hide_run() {
	local sockdir=$1 fd

	exec {fd}<"$sockdir"
	mount -t tmpfs -o mode=755 vfring /run
	mount -t tmpfs -o mode=1777 vfring /dev/shm
	if [[ $sockdir == /run/* ]]; then
		mkdir -p "$sockdir"
		mount --no-canonicalize --bind "/proc/self/fd/$fd" "$sockdir"
	fi
	exec {fd}<&-
}

inside_podman() {
	local bind ulimit_nofile ulimit_nproc fresh=notmpcopyup,mode=1777 # without the host's files
	local -a args

	# crun wants a unified hierarchy to look at, even when it is told to leave it alone.
	if [[ $(stat -f -c %T /sys/fs/cgroup) != cgroup2fs ]]; then
		mount -t cgroup2 vfring /sys/fs/cgroup
	fi
	# Podman's defaults are above what a limited root may set: take over what we have, at most 1024.
	ulimit_nofile=$(ulimit -Hn)
	[[ $ulimit_nofile != unlimited ]] && ((ulimit_nofile < 1024)) || ulimit_nofile=1024
	ulimit_nproc=$(ulimit -Hu)
	[[ $ulimit_nproc != unlimited ]] && ((ulimit_nproc < 1024)) || ulimit_nproc=1024

	args=(--volume "$in_sockdir:$in_sockdir:$in_sockmode")
	for bind in "${in_binds[@]}"; do
		args+=(--volume "$bind:$bind:ro")
	done
	if ((in_hugepages)); then
		args+=(--volume "$in_hugedir:/dev/hugepages:rw")
	fi
	# Not exec: this shell stays as pid 1, to reap conmon.
	podman --root /run/podman/root --runroot /run/podman/run --tmpdir /run/podman/tmp \
		--runtime crun --cgroup-manager cgroupfs --events-backend none \
		run --rm --interactive --log-driver none \
		--read-only --tmpfs "/run:$fresh" --tmpfs "/tmp:$fresh" --tmpfs "/var/tmp:$fresh" \
		--network none --hostname vfring --no-hosts --http-proxy=false \
		--cgroups disabled --ulimit "nofile=$ulimit_nofile:$ulimit_nofile" \
		--ulimit "nproc=$ulimit_nproc:$ulimit_nproc" \
		--user "$CONTAINER_UID:$CONTAINER_UID" --cap-drop all \
		--security-opt no-new-privileges --workdir / \
		"${args[@]}" --rootfs /:O "$@"
}

# The last step of bwrap and unshare; both leave just enough capabilities to give up the rest.
drop_privileges=(setpriv --reuid "$CONTAINER_UID" --regid "$CONTAINER_UID" --clear-groups
	--inh-caps=-all --ambient-caps=-all --bounding-set=-all --no-new-privs --)
clean_environment=(env -i "PATH=$CONTAINER_PATH" HOME=/ TERM=dumb)

inside_bwrap() {
	local bind name path sock=--ro-bind
	local -a args=()

	[[ $in_sockmode == ro ]] || sock=--bind
	for bind in "$in_sockdir" "${in_binds[@]}"; do
		# Left to itself, bwrap makes the parents with mode 0700.
		path=
		while IFS= read -r -d / name; do
			path+=${name:+/$name}
			[[ -z $path ]] || args+=(--perms 0755 --dir "$path")
		done <<<"$bind"
	done
	args+=("$sock" "$in_sockdir" "$in_sockdir")
	for bind in "${in_binds[@]}"; do
		args+=(--ro-bind "$bind" "$bind")
	done
	if ((in_hugepages)); then
		args+=(--bind "$in_hugedir" /dev/hugepages)
	fi
	exec bwrap --unshare-ipc --unshare-pid --unshare-net --unshare-uts --hostname vfring \
		--as-pid-1 --die-with-parent --new-session \
		--cap-drop ALL --cap-add cap_setuid --cap-add cap_setgid --cap-add cap_setpcap \
		--ro-bind / / --dev /dev --proc /proc \
		--tmpfs /run --perms 1777 --tmpfs /tmp --perms 1777 --tmpfs /var/tmp \
		"${args[@]}" --chdir / \
		"${clean_environment[@]}" "${drop_privileges[@]}" "$@"
}

# Binds $1 to the same place below $2, creating that place (only a tmpfs lets us, which is meant).
bind_below() {
	local path=$1 root=$2 mode=$3

	[[ -d $root$path ]] || mkdir -p "$root$path"
	mount --bind "$path" "$root$path"
	mount -o "remount,bind,nosuid,nodev,$mode" "$root$path"
}

inside_unshare() {
	local root=/run/root path dev

	mkdir -p "$root"
	mount --bind / "$root"
	mount -o remount,bind,ro,nosuid "$root"
	# Other file systems of the host (/usr, /home, ...): as they are, but read-only.
	while read -r path; do
		case $path in
		/ | /proc | /proc/* | /sys | /sys/* | /dev | /dev/* | /run | /run/* | /tmp | /tmp/*) ;;
		/var/tmp | /var/tmp/*) ;;
		*) [[ ! -d $path ]] || bind_below "$path" "$root" ro ;;
		esac
	done < <(findmnt --raw --noheadings --output TARGET)
	mount -t tmpfs -o mode=755,nosuid vfring "$root/dev"
	for dev in null zero full random urandom; do
		: >"$root/dev/$dev"
		mount --bind "/dev/$dev" "$root/dev/$dev"
	done
	for path in /run /tmp /var/tmp; do
		mount -t tmpfs -o mode=1777,nosuid,nodev vfring "$root$path"
	done
	mount -t sysfs -o ro vfring "$root/sys" 2>/dev/null || mount --bind -o ro /sys "$root/sys"
	bind_below "$in_sockdir" "$root" "$in_sockmode"
	for path in "${in_binds[@]}"; do
		bind_below "$path" "$root" ro
	done
	if ((in_hugepages)); then
		mkdir "$root/dev/hugepages"
		mount --bind "$in_hugedir" "$root/dev/hugepages"
	fi
	exec unshare --mount --pid --net --ipc --uts --fork --kill-child=KILL \
		bash "$CONTAINER_SH" inside-root "$root" \
		"${clean_environment[@]}" "${drop_privileges[@]}" "$@"
}

# Pid 1 of the unshare runtime: only here can /proc of the new pid namespace be mounted.
inside_root() {
	local root=$1

	shift
	mount -t proc -o nosuid,nodev,noexec vfring "$root/proc"
	hostname vfring 2>/dev/null || :
	cd "$root"
	pivot_root . .
	umount -l .
	cd /
	exec "$@"
}

inside() {
	local runtime=$1 fd

	shift
	# Whatever the caller has open (a lock, other containers' inputs) is not for the program.
	# (255 is this script, as bash reads it.)
	for fd in /proc/self/fd/*; do
		fd=${fd##*/}
		((fd <= 2 || fd == 255)) || eval "exec $fd>&-"
	done
	container_options "$@"
	set -- "${opt_program[@]}"
	in_sockdir=$opt_sockdir in_sockmode=$opt_sockmode in_hugepages=$opt_hugepages
	in_binds=("${opt_binds[@]}")
	inside_hide_run "$in_sockdir"
	if ((in_hugepages)); then
		mkdir "$in_hugedir"
		mount -t hugetlbfs -o "uid=$CONTAINER_UID,gid=$CONTAINER_UID,mode=700" vfring \
			"$in_hugedir"
	fi
	"inside_$runtime" "$@"
}

# ---- outside ------------------------------------------------------------------------------

# Sets opt_*: [-H] [-w] [-b DIR]... SOCKDIR -- PROGRAM [ARG]...
container_options() {
	local flag OPTIND=1 OPTARG

	opt_hugepages=0 opt_sockmode=ro opt_binds=()
	while getopts Hwb: flag; do
		case $flag in
		H) opt_hugepages=1 ;;
		w) opt_sockmode=rw ;;
		b) opt_binds+=("$(readlink -f -- "$OPTARG")") ;;
		*) return 2 ;;
		esac
	done
	shift $((OPTIND - 1))
	if (($# < 3)) || [[ $2 != -- ]]; then
		echo "container.sh: SOCKDIR -- PROGRAM [ARG]... expected" >&2
		return 2
	fi
	opt_sockdir=$(readlink -f -- "$1")
	if [[ ! -d $opt_sockdir ]]; then
		echo "container.sh: $1 is not a directory" >&2
		return 2
	fi
	case $opt_sockdir in
	/ | /run | /tmp | /var/tmp | /dev* | /proc*)
		echo "container.sh: $opt_sockdir is the container's own: use a directory below" >&2
		return 2
		;;
	esac
	shift 2
	opt_program=("$@")
}

# Sets container_command to what runs `inside` in new namespaces, for the arguments given.
# The kill signal at the death of the caller comes from here; pid 1's death then kills the rest.
container_command() {
	container_command=(setpriv --pdeathsig KILL unshare --mount --propagation private
		--pid --fork --kill-child=KILL --mount-proc
		bash "$CONTAINER_SH" inside "$CONTAINER_RUNTIME" "$@")
}

# Does the runtime work on this machine? Says why not.
container_probe() {
	local CONTAINER_RUNTIME=$1 output
	local -a container_command

	if [[ $1 != unshare ]] && ! command -v "$1" >/dev/null; then
		echo "not installed"
		return 1
	fi
	container_command "${CONTAINER_SH%/*}" -- true
	if ! output=$(timeout -k 1 "$CONTAINER_START_LIMIT" "${container_command[@]}" \
		2>&1 </dev/null); then
		echo "${output:-no answer within $CONTAINER_START_LIMIT s}" | tail -n 1
		return 1
	fi
}

container_runtime() {
	local runtime why

	[[ -z ${CONTAINER_RUNTIME:-} ]] || return 0
	case ${VFRING_CONTAINER:-} in
	podman | bwrap | unshare)
		CONTAINER_RUNTIME=$VFRING_CONTAINER
		return 0
		;;
	'') ;;
	*)
		echo "VFRING_CONTAINER is podman, bwrap or unshare, not $VFRING_CONTAINER" >&2
		return 2
		;;
	esac
	for runtime in podman bwrap unshare; do
		if why=$(container_probe "$runtime"); then
			CONTAINER_RUNTIME=$runtime
			return 0
		fi
		echo "container: $runtime does not work here: $why" >&2
	done
	return 1
}

declare -A container_launcher=() # NAME -> pid of the outermost process
declare -A container_input=()    # NAME -> descriptor of its standard input
declare -A container_comm=()     # NAME -> the program's name as the kernel cuts it

# Prints the host's pid of pid 1 in the pid namespace that is two below launcher $1: our namespace
# holds the runtime, the runtime's holds the program. If $2 is given, only under that name (before
# its exec, the same process is the runtime's own).
find_program() {
	# Not as arguments of awk: it gives up at a process that has ended since the list was made.
	{ cat /proc/[0-9]*/status 2>/dev/null || :; } | awk -v launcher="$1" -v comm="${2:-}" '
		$1 == "Name:" { this = substr($0, 7) }
		$1 == "Pid:" { pid = $2; name[pid] = this }
		$1 == "PPid:" { parent[pid] = $2 }
		$1 == "NSpid:" { depth[pid] = NF - 1; inner[pid] = $NF }
		END {
			for (pid in parent) {
				if (inner[pid] != 1 || depth[pid] != depth[launcher] + 2)
					continue
				if (comm != "" && name[pid] != comm)
					continue
				for (p = pid; p in parent && p != launcher; p = parent[p])
					;
				if (p == launcher) {
					print pid
					exit
				}
			}
		}'
}

container_pid() {
	local pid

	[[ -n ${container_launcher[$1]:-} ]] || return 1
	pid=$(find_program "${container_launcher[$1]}" "${container_comm[$1]}")
	[[ -n $pid ]] || return 1
	echo "$pid"
}

# True while process $1 runs; a zombie does not, though kill -0 would say so.
process_runs() {
	local stat

	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	stat=${stat##*) }
	[[ $stat != [ZX]* ]]
}

container_start() {
	local flag OPTIND=1 OPTARG name log fifo input deadline
	local opt_hugepages opt_sockmode opt_sockdir
	local -a flags=() container_command opt_binds opt_program

	while getopts Hwb: flag; do
		case $flag in
		H | w) flags+=("-$flag") ;;
		b) flags+=(-b "$OPTARG") ;;
		*) return 2 ;;
		esac
	done
	shift $((OPTIND - 1))
	name=$1 log=$3
	set -- "$2" "${@:4}"
	container_options "${flags[@]}" "$@" || return
	container_runtime || return
	if container_pid "$name" >/dev/null; then
		echo "container $name: runs already" >&2
		return 1
	fi
	# A fifo that is open for reading and writing never reports an end of input. Only its
	# descriptors are needed, so its name goes at once.
	fifo=$(mktemp -u "${TMPDIR:-/tmp}/vfring-$name.XXXXXX")
	mkfifo -m 600 "$fifo"
	exec {input}<>"$fifo"
	rm -f "$fifo"
	container_command "${flags[@]}" "$@"
	setsid "${container_command[@]}" <&"$input" >"$log" 2>&1 {input}<&- &
	container_launcher[$name]=$!
	container_input[$name]=$input
	container_comm[$name]=${opt_program[0]##*/}
	container_comm[$name]=${container_comm[$name]:0:15}
	deadline=$((SECONDS + CONTAINER_START_LIMIT))
	# shellcheck disable=SC2034 # for the caller
	until CONTAINER_PID=$(container_pid "$name"); do
		if ! process_runs "${container_launcher[$name]}"; then
			echo "container $name: ended at once; its output:" >&2
			tail -n 20 "$log" >&2
			container_stop "$name"
			return 1
		fi
		if ((SECONDS >= deadline)); then
			echo "container $name: no program after $CONTAINER_START_LIMIT s; its output:" >&2
			tail -n 20 "$log" >&2
			container_stop "$name"
			return 1
		fi
		sleep 0.05
	done
}

container_send() {
	container_pid "$1" >/dev/null || return 1
	printf '%s\n' "$2" >&"${container_input[$1]}"
}

container_kill() {
	local pid

	pid=$(container_pid "$1") || return 1
	kill -s "$2" "$pid"
}

container_stop() {
	local name=$1 launcher=${container_launcher[$1]:-} input=${container_input[$1]:-} deadline

	[[ -n $launcher ]] || return 0
	container_kill "$name" TERM 2>/dev/null || :
	deadline=$((SECONDS + CONTAINER_STOP_LIMIT))
	while process_runs "$launcher" && ((SECONDS < deadline)); do
		sleep 0.05
	done
	# Its child is pid 1 of our pid namespace and dies with it, and with pid 1 all the others.
	kill -s KILL "$launcher" 2>/dev/null || :
	wait "$launcher" 2>/dev/null || :
	exec {input}<&-
	unset "container_launcher[$name]" "container_input[$name]" "container_comm[$name]"
}

container_privileges() {
	local pid

	pid=$(container_pid "$1") || return 1
	awk -v runtime="$CONTAINER_RUNTIME" '
		$1 == "Uid:" { uid = $2 }
		$1 == "Gid:" { gid = $2 }
		$1 == "CapEff:" { eff = $2 }
		$1 == "CapBnd:" { bnd = $2 }
		$1 == "NoNewPrivs:" { nnp = $2 }
		$1 == "Seccomp:" { seccomp = $2 }
		END {
			printf "runtime %s, uid %s, gid %s, capabilities %s (bounding set %s), ",
				runtime, uid, gid, eff ~ /^0+$/ ? "none" : eff,
				bnd ~ /^0+$/ ? "none" : bnd
			printf "no_new_privs %s, seccomp %s\n", nnp ? "on" : "off",
				seccomp ? "on" : "off"
		}' "/proc/$pid/status"
}

container_main() {
	local verb=${1:-}
	local -a container_command

	shift || :
	case $verb in
	inside) inside "$@" ;;
	inside-root) inside_root "$@" ;;
	run)
		container_options "$@"
		container_runtime
		container_command "$@"
		exec "${container_command[@]}"
		;;
	pid) find_program "$@" | grep . ;;
	runtime)
		container_runtime
		echo "$CONTAINER_RUNTIME"
		;;
	*)
		echo "usage: container.sh run|pid|runtime ... (see the top of this file)" >&2
		exit 2
		;;
	esac
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
	set -euo pipefail
	container_main "$@"
fi
