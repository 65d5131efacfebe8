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
			[ $# -eq 0 ] || place_in "$pf_dir" "$@" || pf_code=1
			set --
			pf_dir=$pf_parent
		fi
		real "$pf_tree$pf_path"
		set -- "$@" "$REAL"
	done
	[ $# -eq 0 ] || place_in "$pf_dir" "$@" || pf_code=1
	return "$pf_code"
}

# place_in DIRECTORY FILE...: from within the directory, so that nobody can lead us to another one; by rename where all
# are on one file system, else by a copy beside the goal and a rename there, so that a reader never sees half a file.
place_in() {
	pi_dir=$1 pi_code=0
	shift
	enter "$pi_dir" || return 1
	if is_one_rename_away && mv -f -- "$@" ./ 2>/dev/null; then
		pi_code=0
	else
		for pi_file do
			[ -e "$pi_file" ] || [ -L "$pi_file" ] || continue
			place_one "$pi_file" "${pi_file##*/}" || pi_code=1
		done
	fi
	label_placed "$@"
	cd /
	return "$pi_code"
}

# Where mv renames; else it would copy in place. One device can be mounted at two points, and a subvolume is a file
# system of its own below one point.
is_one_rename_away() {
	find_mount "$CWD"
	[ "$MOUNT_POINT" = "$pf_state_mount" ] || return 1
	case $MOUNT_TYPE in
	btrfs | bcachefs) [ "$(stat -c %d . 2>/dev/null)" = "$STATE_DEVICE" ] ;;
	esac
}

# place_one FILE NAME: puts a file into the working directory. The copy is made in a folder that only we may look
# into; its name is known, so that what a power cut leaves can be swept away.
place_one() {
	po_box=.snapback.$ID po_goal=$CWD
	put "$pi_dir" >>"$TX/boxes"
	sweep_box "$po_box"
	if mkdir -m 0700 -- "./$po_box" 2>/dev/null && step_into "$po_box"; then
		if cp -a -- "$1" "./$2" && { [ -L "./$2" ] || durable "./$2"; } && mv -f -- "./$2" ../ 2>/dev/null; then
			leave_box "$po_box" && rm -f -- "$1"
			return
		fi
		leave_box "$po_box"
	fi
	CWD=$po_goal
	# A file that is itself a mount point can't be renamed over (EBUSY): then in place, which isn't atomic.
	is_mount_point "${CWD%/}/$2" && cp -p -- "$1" "./$2" && durable "./$2"
}

# Leaves the folder for one copy and removes it; a directory that only root may look into can't be moved elsewhere.
leave_box() {
	rm -f -- ./* ./.[!.]*
	cd -P .. && read_cwd && rmdir -- "./$1"
}

# Removes what a copy that was cut has left in the working directory.
sweep_box() {
	sw_goal=$CWD
	[ -d "./$1" ] && ! [ -L "./$1" ] || return 0
	if step_into "$1" && [ "$(stat -c '%u %a' .)" = "$UID_NOW 700" ]; then leave_box "$1"; fi
	[ "$CWD" = "$sw_goal" ] || enter "$sw_goal"
}

# The same, everywhere where a copy was begun.
sweep_boxes() {
	[ -f "$TX/boxes" ] || return 0
	while IFS= read -r sx_dir; do
		! enter "$sx_dir" || sweep_box ".snapback.$ID"
	done <"$TX/boxes"
	cd /
	rm -f "$TX/boxes"
}

# Under SELinux what was made in the state directory carries its label; the policy knows the right one.
label_placed() {
	[ -e /sys/fs/selinux/enforce ] && [ -z "${KEEP_LABELS:-}" ] && command -v restorecon >/dev/null 2>&1 || return 0
	for lb_file do
		shift
		set -- "$@" "./${lb_file##*/}"
	done
	restorecon -- "$@" >/dev/null 2>&1
	return 0
}
