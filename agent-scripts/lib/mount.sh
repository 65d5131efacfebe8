# shellcheck shell=sh
# Mounts: on what a path lies, and whether that survives a reboot.

# Sets MOUNTS to lines "POINT FLAGS TYPE OPTIONS" from mountinfo (proc(5)), behind an empty one. Octal escapes are left
# as they are.
read_mounts() {
	MOUNTS=$NL MOUNT_NEAR=-
	while read -r _ _ _ _ rm_point rm_flags rm_rest; do
		rm_after=" $rm_rest"
		rm_after=${rm_after#*" - "}
		MOUNTS="$MOUNTS$rm_point $rm_flags ${rm_after%% *} ${rm_after##* }
"
	done </proc/self/mountinfo
}

# Sets MOUNT_POINT, MOUNT_FLAGS, MOUNT_TYPE, MOUNT_OPTIONS of the mount that a path lies on: the longest prefix, the
# last wins. No here-document: some shells fork for a large one. What lies beside the path that was asked for last, and
# isn't mounted itself, lies on the same.
find_mount() {
	case $MOUNTS in
	*"$NL$1 "*) MOUNT_NEAR=- ;;
	*)
		[ "$MOUNT_NEAR" != "${1%/*}" ] || return 0
		MOUNT_NEAR=${1%/*}
		;;
	esac
	MOUNT_POINT=/ MOUNT_FLAGS='' MOUNT_TYPE=unknown MOUNT_OPTIONS=''
	fm_path=$1/
	fm_ifs=$IFS
	IFS='
'
	set -f
	for fm_line in $MOUNTS; do
		fm_point=${fm_line%% *}
		case $fm_path in
		"${fm_point%/}"/*) [ "${#fm_point}" -lt "${#MOUNT_POINT}" ] || set_mount "$fm_line" ;;
		esac
	done
	set +f
	IFS=$fm_ifs
}

set_mount() {
	MOUNT_POINT=${1%% *} MOUNT_OPTIONS=${1##* }
	sm_rest=${1#* }
	MOUNT_FLAGS=${sm_rest%% *}
	sm_rest=${sm_rest#* }
	MOUNT_TYPE=${sm_rest%% *}
}

# Sets MOUNTS_BELOW to the mount points below a directory, each behind a blank, as mountinfo writes them.
find_mounts_below() {
	MOUNTS_BELOW=
	fb_ifs=$IFS
	IFS='
'
	set -f
	for fb_line in $MOUNTS; do
		fb_point=${fb_line%% *}
		case $fb_point in "${1%/}"/?*) MOUNTS_BELOW="$MOUNTS_BELOW $fb_point" ;; esac
	done
	set +f
	IFS=$fb_ifs
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
	*,volatile,* | *,upperdir=/run/* | *,upperdir=/dev/shm/* | *,upperdir=/tmp/* | *,upperdir=/cow/*) return 0 ;;
	*,upperdir=*) return 1 ;;
	esac
	return 0
}
