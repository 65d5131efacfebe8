# shellcheck shell=sh
# Ends the demo's hosts when the demo ends, however it ends: standard input is a pipe that the demo alone holds, and
# the kernel closes it even behind a kill -9. On it come the process ids of the sshd.
# Arguments: the demo's folder, and "keep" if it shall stay.
trap '' INT TERM HUP PIPE
dir=$1
listeners=
while read -r pid; do listeners="$listeners $pid"; done

for pid in $listeners; do
	grep -qsF -e "$dir/" "/proc/$pid/cmdline" && kill -KILL "$pid" 2>/dev/null
done

# Guards and commands on the hosts know their host by these; an editor that somebody opened on a file there does not.
left=50
while [ "$left" -gt 0 ]; do
	found=
	# shellcheck disable=SC2013 # paths below /proc hold no blanks
	for file in $(grep -lsF -e "SNAPBACK_STATE=$dir/" -e "VAR_ROOT=$dir/" /proc/[0-9]*/environ); do
		pid=${file#/proc/}
		kill -KILL "${pid%%/*}" 2>/dev/null && found=1
	done
	[ -n "$found" ] || break
	left=$((left - 1))
	sleep 0.1 2>/dev/null || sleep 1
done

[ "${2:-}" = keep ] || rm -rf -- "$dir"
