# shellcheck shell=sh
# Putting prepared files into place: a rename each, one mv for a directory full of them.

# place_files TREE: moves TREE/path to /path for the paths on stdin. Goes on past a failure and tells it at the end.
place_files() {
	pf_tree=$1 pf_dir='' pf_code=0
	set --
	while IFS= read -r pf_path; do
		pf_parent=${pf_path%/*}
		if [ "$pf_parent" != "$pf_dir" ] || [ $# -ge 100 ]; then
			[ $# -eq 0 ] || place_in "$pf_dir/" "$@" || pf_code=1
			set --
			pf_dir=$pf_parent
		fi
		set -- "$@" "$pf_tree$pf_path"
	done
	[ $# -eq 0 ] || place_in "$pf_dir/" "$@" || pf_code=1
	return "$pf_code"
}

# place_in DIRECTORY FILE...: by rename where both are on one file system, else by a copy beside the goal and a
# rename there, so that a reader never sees half a file.
place_in() {
	pi_dir=$1
	shift
	if [ "$(stat -c %d -- "$pi_dir" 2>/dev/null)" = "$STATE_DEVICE" ]; then
		mv -f -- "$@" "$pi_dir" 2>/dev/null && durable "$pi_dir" && return 0
	fi
	pi_code=0
	for pi_file do
		[ -e "$pi_file" ] || [ -L "$pi_file" ] || continue
		place_one "$pi_file" "$pi_dir${pi_file##*/}" || pi_code=1
	done
	durable "$pi_dir"
	return "$pi_code"
}

place_one() {
	po_beside=${2%/*}/.snapback.$$
	if cp -a -- "$1" "$po_beside" && { [ -L "$po_beside" ] || durable "$po_beside"; } && mv -f -- "$po_beside" "$2" 2>/dev/null; then
		return 0
	fi
	rm -f "$po_beside"
	# A file that is itself a mount point can't be renamed over (EBUSY): then in place, which isn't atomic.
	is_mount_point "$2" && cp -p -- "$1" "$2" && durable "$2"
}
