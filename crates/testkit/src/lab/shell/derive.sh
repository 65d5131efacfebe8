#!/bin/sh
# Makes the tree of another init out of the Debian tree; called as: derive.sh BASE openrc|sysvinit|openwrt TREE
set -eu

in_tree() {
	chroot "$tree" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@" </dev/null
}

# The package to go is named with a minus behind it.
install_packages() {
	cat /etc/resolv.conf >"$tree/etc/resolv.conf"
	# What starts services while they are being installed would start them on this very machine.
	printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
	chmod 0755 "$tree/usr/sbin/policy-rc.d"
	rm -f "$tree/etc/rc.local" "$tree/etc/inittab"
	in_tree apt-get update -q
	in_tree apt-get install -y -q --no-install-recommends "$@" \
		systemd- systemd-sysv- libpam-systemd- dbus-
	rm -f "$tree/usr/sbin/policy-rc.d" "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/*_*
	rm -rf "$tree"/usr/share/doc/* "$tree"/usr/share/man/*
	: >"$tree/etc/resolv.conf"
}

# What a lab host must not do is reach for the machine's swap, clock or backlight; and nobody sits at its terminals.
tame() {
	for name in umountfs hwclock.sh brightness mount-configfs urandom; do
		header=$(sed -n '/^### BEGIN/,/^### END/p' "$tree/etc/init.d/$name")
		printf '#!/bin/sh\n%s\nexit 0\n' "$header" >"$tree/etc/init.d/$name"
	done
	sed -i '/getty/d; /^p[nfo]:/d' "$tree/etc/inittab"
}

make_sysvinit() {
	install_packages sysvinit-core sysv-rc initscripts orphan-sysvinit-scripts ifupdown
	tame
	# While packages were missing it could not order all scripts.
	in_tree insserv
}

make_openrc() {
	install_packages sysvinit-core openrc initscripts orphan-sysvinit-scripts ifupdown
	tame
	# Its control groups would be made in the machine's own hierarchies.
	rm -f "$tree/etc/runlevels/sysinit/cgroups"
	printf 'rc_controller_cgroups="NO"\n' >>"$tree/etc/rc.conf"
}

copy_with_libraries() {
	for program; do
		path=$(in_tree which "$program")
		in_tree ldd "$path" | sed -n 's/^[^/]*\(\/[^ ]*\).*/\1/p' | while read -r library; do
			mkdir -p "$small${library%/*}"
			cp -L "$tree$library" "$small$library"
		done
		cp -L "$tree$path" "$small/usr/sbin/$program"
	done
}

# As OpenWrt has it: /var is lost at each boot; every program is busybox's; there is no setsid.
make_openwrt() {
	small=$tree.small
	mkdir -p "$small"
	cd "$small"
	mkdir -p dev etc/config etc/dropbear etc/init.d etc/rc.d etc/ssh home mnt overlay proc root run sys tmp usr/bin usr/sbin usr/lib
	ln -s usr/bin bin
	ln -s usr/sbin sbin
	ln -s usr/lib lib
	ln -s usr/lib lib64
	ln -s tmp var
	chmod 0700 root etc/dropbear
	copy_with_libraries dropbear dropbearconvert nft ip
	in_tree ldd /bin/busybox | sed -n 's/^[^/]*\(\/[^ ]*\).*/\1/p' | while read -r library; do
		cp -L "$tree$library" "$small/usr/lib/"
	done
	cp "$tree/bin/busybox" usr/bin/busybox
	in_tree busybox --list | while read -r applet; do
		case $applet in busybox | ip | setsid | init) ;; *) ln -s busybox "usr/bin/$applet" ;; esac
	done
	ln -s ../bin/busybox usr/sbin/init
	printf 'root:*:0:0:root:/root:/bin/ash\ndropbear:*:100:100::/:/bin/false\n' >etc/passwd
	printf 'root:x:0:\ndropbear:x:100:\n' >etc/group
	printf '/bin/ash\n/bin/sh\n' >etc/shells
	printf "DISTRIB_ID='lab'\n" >etc/openwrt_release
	printf '::sysinit:/etc/init.d/rcS S boot\n::shutdown:/etc/init.d/rcS K shutdown\n' >etc/inittab
	write_rc
	cd /
	rm -rf --one-file-system "$tree"
	mv "$small" "$tree"
}

write_rc() {
	cat >etc/init.d/rcS <<'RC'
#!/bin/sh
[ "$1" = K ] || mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /tmp
for script in /etc/rc.d/$1*; do
	[ -x "$script" ] && "$script" "$2"
done
RC
	cat >etc/rc.common <<'RC'
#!/bin/sh
# The words of OpenWrt's init scripts; called as: rc.common SCRIPT WORD
start() { return 0; }
stop() { return 0; }
boot() { start; }
shutdown() { stop; }
enable() {
	name=${initscript##*/}
	[ -z "${START:-}" ] || ln -sf "../init.d/$name" "/etc/rc.d/S$START$name"
	[ -z "${STOP:-}" ] || ln -sf "../init.d/$name" "/etc/rc.d/K$STOP$name"
}
disable() { rm -f /etc/rc.d/S??"${initscript##*/}" /etc/rc.d/K??"${initscript##*/}"; }
enabled() { [ -x "/etc/rc.d/S$START${initscript##*/}" ]; }
restart() { stop; start; }
initscript=$1
action=${2:-help}
. "$initscript"
"$action"
RC
	cat >etc/init.d/boot <<'RC'
#!/bin/sh /etc/rc.common
START=10
boot() { mkdir -p /var/run /var/log /var/lock /var/lib; }
RC
	cat >etc/init.d/dropbear <<'RC'
#!/bin/sh /etc/rc.common
START=19
start() {
	key=/etc/dropbear/dropbear_ed25519_host_key
	[ -s $key ] || dropbearconvert openssh dropbear /etc/ssh/ssh_host_ed25519_key $key 2>/dev/null
	cut -d' ' -f1 /proc/uptime >/var/run/dropbear-started
	dropbear -r $key -P /var/run/dropbear.pid $(cat /etc/config/dropbear 2>/dev/null)
}
stop() { kill "$(cat /var/run/dropbear.pid)"; }
RC
	cat >etc/init.d/firewall <<'RC'
#!/bin/sh /etc/rc.common
START=19
start() { [ ! -s /etc/nftables.conf ] || nft -f /etc/nftables.conf; }
RC
	cat >etc/init.d/network <<'RC'
#!/bin/sh /etc/rc.common
START=20
start() { cut -d' ' -f1 /proc/uptime >/var/run/network-started; }
RC
	chmod 0755 etc/init.d/* etc/rc.common
	for service in boot:10 dropbear:19 firewall:19 network:20; do
		ln -s "../init.d/${service%:*}" "etc/rc.d/S${service#*:}${service%:*}"
	done
}

main() {
	tree=$3
	cp -a --reflink=auto "$1" "$tree"
	"make_$2"
}

main "$@"
