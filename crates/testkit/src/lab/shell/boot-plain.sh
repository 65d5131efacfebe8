#!/bin/sh
# Starts a host whose init knows nothing of namespaces; called as: boot-plain.sh CGROUP ROOT NAME NETNS INIT
# Asked for a reboot, the kernel ends such a host's PID 1 with SIGHUP: then it is booted again.
set -eu

REBOOT=129

as_pid_1() {
	root=$1 name=$2 init=$3
	hostname "$name"
	mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
	mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
	mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
	make_devices "$root/dev"
	mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
	mkdir -p "$root/run/lock" "$root/run/sshd"
	keep_the_machine_safe "$root/proc"
	give_a_boot_id "$root"
	cd "$root"
	pivot_root . mnt
	# shellcheck disable=SC2086 # INIT may be two words
	exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=lab TERM=linux chroot . /bin/sh -c 'umount -l /mnt; exec "$@"' - $init
}

make_devices() {
	mount -t tmpfs -o mode=755,nosuid tmpfs "$1"
	mkdir "$1/pts" "$1/shm"
	mount -t devpts -o newinstance,nosuid,noexec,gid=5,mode=620,ptmxmode=666 devpts "$1/pts"
	mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$1/shm"
	for device in null:3 zero:5 full:7 random:8 urandom:9; do
		mknod -m 666 "$1/${device%:*}" c 1 "${device#*:}"
	done
	mknod -m 666 "$1/tty" c 5 0
	ln -s pts/ptmx "$1/ptmx"
	ln -s /proc/self/fd "$1/fd"
	ln -s fd/0 "$1/stdin"
	ln -s fd/1 "$1/stdout"
	ln -s fd/2 "$1/stderr"
}

# Root in a lab host is root on the machine: only the network's sysctls may be written.
keep_the_machine_safe() {
	mount --bind "$1/sys/net" "$1/sys/net"
	mount --rbind "$1/sys" "$1/sys"
	mount -o remount,bind,ro "$1/sys"
	# Not every kernel has it.
	if [ -e "$1/sysrq-trigger" ]; then
		mount --bind "$1/sysrq-trigger" "$1/sysrq-trigger"
		mount -o remount,bind,ro "$1/sysrq-trigger"
	fi
}

give_a_boot_id() {
	cat /proc/sys/kernel/random/uuid >"$1/run/.boot_id"
	mount --bind "$1/run/.boot_id" "$1/proc/sys/kernel/random/boot_id"
}

supervise() {
	cgroup=$1 root=$2 name=$3 netns=$4 init=$5
	echo $$ >"$cgroup/cgroup.procs"
	mkdir -p "$cgroup/payload"
	while :; do
		status=0
		# The payload has a cgroup of its own, so that freezing it leaves this loop awake.
		sh -c 'echo $$ >"$1/payload/cgroup.procs"; netns=$2; shift 2
			exec nsenter --net="/run/netns/$netns" \
			unshare --mount --propagation private --pid --uts --ipc --cgroup --fork \
			setpriv --bounding-set=-sys_time,-sys_module,-sys_rawio,-syslog,-wake_alarm --inh-caps=-all \
			sh "$@"' \
			- "$cgroup" "$netns" "$0" --pid-1 "$root" "$name" "$init" || status=$?
		[ "$status" -eq "$REBOOT" ] || exit "$status"
	done
}

main() {
	if [ "$1" = --pid-1 ]; then
		shift
		as_pid_1 "$@"
	fi
	supervise "$@"
}

main "$@"
