# shellcheck shell=sh
# The boot hook of sysvinit as Debian and Devuan have it: init scripts with LSB headers, ordered by insserv.

# The pipe is made by sysvinit's process 1 itself. Without update-rc.d nobody knows in which order scripts run here.
sysvinit_boots() {
	[ "$INIT" = init ] && { [ -p /run/initctl ] || [ -p /dev/initctl ]; } && [ -d /etc/rcS.d ] &&
		command -v update-rc.d >/dev/null 2>&1 && inittab_says :sysinit:/etc/init.d/rcS
}

sysvinit_hook_parts() {
	HOOK_PARTS="boot boot-mounted boot-late"
	HOOK_FOLDERS="/etc/init.d /etc/rcS.d /etc/rc2.d /etc/rc3.d /etc/rc4.d /etc/rc5.d"
	for shp_file in /etc/init.d/.depend.*; do
		[ ! -f "$shp_file" ] || HOOK_FOLDERS="$HOOK_FOLDERS $shp_file"
	done
}

# Sets ORDER to the number of a script of a folder, nothing if it isn't started there.
sysvinit_order() {
	ORDER=
	for so_link in "$1"/S[0-9][0-9]"$2"; do
		[ -x "$so_link" ] || continue
		so_link=${so_link##*/S}
		ORDER=${so_link%"$2"}
	done
}

# Enabled is what is started before the network; the numbers are read back, because insserv gives up on a host with
# a script whose header it can't follow.
sysvinit_hook_enabled() {
	case $1 in
	boot-late)
		sysvinit_order /etc/rc2.d "snapback-$1"
		[ -n "$ORDER" ]
		return
		;;
	esac
	sysvinit_order /etc/rcS.d "snapback-$1"
	she_own=$ORDER
	[ -n "$she_own" ] || return 1
	for she_other in networking nftables; do
		sysvinit_order /etc/rcS.d "$she_other"
		# A 1 in front: 08 is no octal number.
		[ -z "$ORDER" ] || [ "1$she_own" -lt "1$ORDER" ] || return 1
	done
}

sysvinit_enable_hook() {
	update-rc.d "snapback-$1" defaults >/dev/null 2>&1
	sysvinit_hook_enabled "$1"
}

sysvinit_hook_part() {
	HOOK_FILE=/etc/init.d/snapback-$1 HOOK_MODE=0755
	hook_call "$1"
	# A line that begins with it would be taken for a comment of ours, and left out of the agent.
	vhp_mark='#' vhp_level=S
	vhp_before="networking ifupdown nftables procps network-manager ssh"
	case $1 in
	boot)
		vhp_after="mountkernfs checkroot"
		# Where the state is not on the root file system, only once all is mounted.
		if state_is_on_root; then vhp_before="checkfs checkroot-bootclean mountall $vhp_before"; else vhp_after="\$local_fs"; fi
		;;
	boot-mounted) vhp_after="\$local_fs snapback-boot" ;;
	*) vhp_after="\$all" vhp_before='' vhp_level="2 3 4 5" ;;
	esac
	HOOK_TEXT="#!/bin/sh
### BEGIN INIT INFO
$vhp_mark Provides:          snapback-$1
$vhp_mark Required-Start:
$vhp_mark Required-Stop:
$vhp_mark Should-Start:      $vhp_after
$vhp_mark X-Start-Before:    $vhp_before
$vhp_mark Default-Start:     $vhp_level
$vhp_mark Default-Stop:
$vhp_mark Short-Description: snapback: undo what was not confirmed ($1)
### END INIT INFO
[ \"\$1\" = start ] || exit 0
$HOOK_CALL
exit 0
"
}
