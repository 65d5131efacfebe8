# shellcheck shell=sh
# Mounts: on what a path lies, and whether that survives a reboot.

# Sets MOUNTS to lines "POINT TYPE OPTIONS" from mountinfo (proc(5)). Octal escapes are left as they are.
read_mounts() {
	MOUNTS=
	while read -r _ _ _ _ rm_point rm_rest; do
		rm_after=${rm_rest#*" - "}
		rm_type=${rm_after%% *}
		MOUNTS="$MOUNTS$rm_point $rm_type ${rm_after##* }
"
	done </proc/self/mountinfo
}

# Sets MOUNT_POINT, MOUNT_TYPE, MOUNT_OPTIONS of the mount that a path lies on: the longest prefix, the last wins.
find_mount() {
	MOUNT_POINT=/ MOUNT_TYPE=unknown MOUNT_OPTIONS=
	while read -r fm_point fm_type fm_options; do
		[ -n "$fm_point" ] || continue
		case $1/ in
		"${fm_point%/}"/*)
			[ "${#fm_point}" -ge "${#MOUNT_POINT}" ] || continue
			MOUNT_POINT=$fm_point MOUNT_TYPE=$fm_type MOUNT_OPTIONS=$fm_options
			;;
		esac
	done <<MOUNTS
$MOUNTS
MOUNTS
}

is_mount_point() {
	read_mounts
	find_mount "$1"
	[ "$MOUNT_POINT" = "$1" ]
}

# Whether what is written to a path is gone after a reboot.
is_volatile() {
	read_mounts
	find_mount "$1"
	case $MOUNT_TYPE in
	tmpfs | ramfs | devtmpfs) return 0 ;;
	overlay) ;;
	*) return 1 ;;
	esac
	# An overlay is as lasting as its upper layer; that path is seen from where it was mounted.
	case ,$MOUNT_OPTIONS, in
	*,volatile,* | *,upperdir=/run/* | *,upperdir=/dev/shm/* | *,upperdir=/cow/*) return 0 ;;
	*,upperdir=*) return 1 ;;
	esac
	return 0
}
