# shellcheck shell=sh
# Putting prepared files into place: a rename each, one mv for a directory full of them.

# place_files TREE: moves TREE/path to /path for the paths on stdin. Goes on past a failure and tells it at the end.
place_files() {
	pf_tree=$1 pf_dir=- pf_code=0
	read_mounts
	find_mount "$STATE_DIR"
	pf_state_mount=$MOUNT_POINT
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

# place_in DIRECTORY/ FILE...: by rename where all are on one file system, else by a copy beside the goal and a
# rename there, so that a reader never sees half a file.
place_in() {
	pi_dir=$1
	shift
	pi_code=0
	if is_one_rename_away "$pi_dir" && mv -f -- "$@" "$pi_dir" 2>/dev/null; then
		pi_code=0
	else
		for pi_file do
			[ -e "$pi_file" ] || [ -L "$pi_file" ] || continue
			place_one "$pi_file" "$pi_dir${pi_file##*/}" || pi_code=1
		done
	fi
	label_placed "$pi_dir" "$@"
	return "$pi_code"
}

# Where mv renames; else it would copy in place. One device can be mounted at two points, and a subvolume is a file
# system of its own below one point.
is_one_rename_away() {
	ir_dir=${1%/}
	# The folder itself, and not a link to it: that may lead to another file system.
	if has_link "$ir_dir"; then ir_dir=$(cd -P -- "$1" 2>/dev/null && pwd -P) || return 1; fi
	find_mount "$ir_dir"
	[ "$MOUNT_POINT" = "$pf_state_mount" ] || return 1
	case $MOUNT_TYPE in
	btrfs | bcachefs) [ "$(stat -c %d -- "$1" 2>/dev/null)" = "$STATE_DEVICE" ] ;;
	esac
}

# Whether a path or one of the folders it lies in is a symlink.
has_link() {
	hl_path=$1
	while [ -n "$hl_path" ]; do
		[ ! -L "$hl_path" ] || return 0
		hl_path=${hl_path%/*}
	done
	return 1
}

place_one() {
	po_beside=${2%/*}/.snapback.$$
	if cp -a -- "$1" "$po_beside" && { [ -L "$po_beside" ] || durable "$po_beside"; } && mv -f -- "$po_beside" "$2" 2>/dev/null; then
		rm -f -- "$1"
		return 0
	fi
	rm -f -- "$po_beside"
	# A file that is itself a mount point can't be renamed over (EBUSY): then in place, which isn't atomic.
	is_mount_point "$2" && cp -p -- "$1" "$2" && durable "$2"
}

# Under SELinux what was made in the state directory carries its label; the policy knows the right one.
label_placed() {
	[ -e /sys/fs/selinux/enforce ] && [ -z "${KEEP_LABELS:-}" ] && command -v restorecon >/dev/null 2>&1 || return 0
	lb_dir=$1
	shift
	for lb_file do
		shift
		set -- "$@" "$lb_dir${lb_file##*/}"
	done
	restorecon -- "$@" >/dev/null 2>&1
	return 0
}
