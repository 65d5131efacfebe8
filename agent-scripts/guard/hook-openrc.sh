# shellcheck shell=sh
# The boot hook of OpenRC: services that come after and before others and never need one, because a need of what
# isn't there keeps a service from being started at all (measured).

# softlevel is written by openrc itself; an empty one is how people in containers make rc-service believe in it.
openrc_boots() {
	[ -s /run/openrc/softlevel ] && command -v rc-update >/dev/null 2>&1 || return 1
	case $INIT in openrc-init | init | busybox) return 0 ;; esac
	return 1
}

openrc_hook_parts() {
	HOOK_PARTS="boot boot-mounted boot-late"
	read_early_level
	HOOK_FOLDERS="/etc/init.d /etc/runlevels/$EARLY_LEVEL /etc/runlevels/default"
}

# Debian starts the network in sysinit already, which is over before `boot` begins.
read_early_level() {
	EARLY_LEVEL=boot
	for rel_service in networking nftables mountall.sh localmount; do
		[ ! -e "/etc/runlevels/sysinit/$rel_service" ] || EARLY_LEVEL=sysinit
	done
}

openrc_level() {
	case $1 in
	boot-late) HOOK_LEVEL=default ;;
	*) HOOK_LEVEL=$EARLY_LEVEL ;;
	esac
}

openrc_hook_enabled() {
	openrc_level "$1"
	[ -x "/etc/runlevels/$HOOK_LEVEL/snapback-$1" ]
}

openrc_enable_hook() {
	openrc_level "$1"
	rc-update -q add "snapback-$1" "$HOOK_LEVEL" >/dev/null 2>&1
	openrc_hook_enabled "$1"
}

openrc_hook_part() {
	HOOK_FILE=/etc/init.d/snapback-$1 HOOK_MODE=0755
	hook_call "$1"
	ohp_before="before net networking nftables iptables ip6tables firewall ufw sysctl procps NetworkManager dhcpcd sshd ssh dropbear"
	case $1 in
	boot)
		ohp_order="after procfs sysfs root checkroot.sh
	before localmount checkfs.sh mountall.sh
	$ohp_before"
		# Where the state is not on the root file system, only once all is mounted.
		state_is_on_root || ohp_order="after localmount mountall.sh
	$ohp_before"
		;;
	boot-mounted)
		ohp_order="after localmount mountall.sh snapback-boot
	$ohp_before"
		;;
	*) ohp_order="after *" ;;
	esac
	HOOK_TEXT="#!/sbin/openrc-run
description=\"snapback: undo what was not confirmed ($1)\"
depend() {
	$ohp_order
	keyword -stop -timeout
}
start() {
	$HOOK_CALL
	return 0
}
"
}
