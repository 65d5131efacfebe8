# shellcheck shell=sh
# The boot hook of OpenWrt: two init scripts with a number, run in the order of /etc/rc.d.

openwrt_boots() {
	[ -f /etc/rc.common ] && [ -d /etc/rc.d ] || return 1
	case $INIT in
	procd) return 0 ;;
	init | busybox) inittab_says "rcS S" ;;
	*) return 1 ;;
	esac
}

openwrt_hook_parts() {
	HOOK_PARTS="boot boot-late"
	HOOK_FOLDERS="/etc/init.d /etc/rc.d"
}

# boot is 10, the first fstab 11 and so before us by its name; firewall and dropbear are 19, the network is 20.
openwrt_start() {
	case $1 in
	boot) HOOK_START=11 ;;
	*) HOOK_START=99 ;;
	esac
}

openwrt_hook_enabled() {
	openwrt_start "$1"
	[ -x "/etc/rc.d/S${HOOK_START}snapback-$1" ]
}

openwrt_enable_hook() {
	"/etc/init.d/snapback-$1" enable >/dev/null 2>&1
	openwrt_hook_enabled "$1"
}

# By hand it starts nothing: only `boot` does.
openwrt_hook_part() {
	HOOK_FILE=/etc/init.d/snapback-$1 HOOK_MODE=0755
	openwrt_start "$1"
	hook_call "$1"
	whp_calls=$HOOK_CALL
	if [ "$1" = boot ]; then
		hook_call boot-mounted
		whp_calls="$whp_calls
	$HOOK_CALL"
	fi
	HOOK_TEXT="#!/bin/sh /etc/rc.common
START=$HOOK_START
boot() {
	$whp_calls
	return 0
}
start() { return 0; }
"
}
