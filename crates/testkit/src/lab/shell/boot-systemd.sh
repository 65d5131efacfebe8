#!/bin/sh
# Boots a host with systemd as PID 1; called as: boot-systemd.sh CGROUP ROOT NAME NETNS CGROUPS
# CGROUPS is `unified` or `both`.
set -eu

# What systemd-nspawn --keep-unit says when the host asked for a reboot.
REBOOT=133

# Whatever the machine has mounted there, the host's systemd finds one unified hierarchy, as on a current server.
unify_cgroups() {
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
}

# As on a server of some years ago: systemd follows the old tree and the new one, and freezer is of the old sort.
both_cgroups() {
	mount -t tmpfs tmpfs /sys/fs/cgroup
	for tree in unified systemd freezer; do mkdir "/sys/fs/cgroup/$tree"; done
	mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
	mount -t cgroup -o none,name=systemd,xattr cgroup /sys/fs/cgroup/systemd
	mount -t cgroup -o freezer cgroup /sys/fs/cgroup/freezer
	own=snapback-lab${1#*/snapback-lab}
	for tree in systemd freezer; do
		mkdir -p "/sys/fs/cgroup/$tree/$own/payload"
		echo $$ >"/sys/fs/cgroup/$tree/$own/cgroup.procs"
	done
}

boot() {
	SYSTEMD_NSPAWN_API_VFS_WRITABLE=network SYSTEMD_NSPAWN_LOCK=0 systemd-nspawn \
		--quiet --boot --register=no --keep-unit --console=pipe --settings=no \
		--network-namespace-path="/run/netns/$3" --capability=CAP_NET_ADMIN \
		--link-journal=no --resolv-conf=off --timezone=off \
		--directory="$1" --machine="$2" --hostname="$2"
}

main() {
	if [ "$1" != --private ]; then
		echo $$ >"$1/cgroup.procs"
		exec unshare --mount --propagation private sh "$0" --private "$@"
	fi
	case $6 in both) both_cgroups "$2" ;; *) unify_cgroups ;; esac
	while :; do
		status=0
		boot "$3" "$4" "$5" || status=$?
		[ "$status" -eq "$REBOOT" ] || exit "$status"
	done
}

main "$@"
