#!/bin/sh
# Makes a virtual machine's disk and kernel from the lab's tree; called as: build-vm.sh TREE OUT
# OUT gets: vmlinuz, disk (an ext4 file system), id_ed25519 (lets root in), known_hosts.
set -eu

# What the network card needs, in the order in which it must be loaded.
MODULES="virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci failover net_failover virtio_net"

# The kernel's package is unpacked and not installed: no boot loader and no initramfs are wanted.
fetch_kernel() {
	cat /etc/resolv.conf >"$1/etc/resolv.conf"
	for apt_conf in /etc/apt/apt.conf /etc/apt/apt.conf.d/*proxy*; do
		[ ! -f "$apt_conf" ] || cp "$apt_conf" "$1/etc/apt/apt.conf.d/"
	done
	# shellcheck disable=SC2016 # the tree's own shell expands it
	chroot "$1" sh -euc '
		apt-get -qq update
		mkdir /kernel
		cd /kernel
		name=$(apt-cache depends linux-image-cloud-amd64 | sed -n "s/.*Depends: \(linux-image-[^ ]*\)$/\1/p" | head -n 1)
		apt-get -qq -o APT::Sandbox::User=root download "$name"
		dpkg-deb -x ./*.deb .
		rm -rf ./*.deb /var/lib/apt/lists/*'
	: >"$1/etc/resolv.conf"
}

place_kernel() {
	cp "$1"/kernel/boot/vmlinuz-* "$2/vmlinuz"
	mkdir -p "$1/usr/lib/snapback-lab/modules"
	for module in $MODULES; do
		file=$(find "$1/kernel" -name "$module.ko*")
		case $file in
		*.xz) xz -dc "$file" >"$1/usr/lib/snapback-lab/modules/$module.ko" ;;
		*.ko) cp "$file" "$1/usr/lib/snapback-lab/modules/" ;;
		# Newer kernels have some of them built in.
		'') ;;
		*) echo "$file: don't know how to unpack it" >&2 && exit 1 ;;
		esac
	done
	rm -rf "$1/kernel"
}

# The address that qemu's own network gives out, without asking for it.
place_network() {
	cat >"$1/usr/lib/snapback-lab/net" <<NET
#!/bin/sh
for module in $MODULES; do
	busybox insmod "/usr/lib/snapback-lab/modules/\$module.ko"
done
left=100
until ip link set eth0 up 2>/dev/null || [ "\$left" -eq 0 ]; do
	sleep 0.05
	left=\$((left - 1))
done
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
NET
	chmod 0755 "$1/usr/lib/snapback-lab/net"
	cat >"$1/etc/systemd/system/lab-net.service" <<'UNIT'
[Unit]
DefaultDependencies=no
After=systemd-remount-fs.service network-pre.target
Before=network.target ssh.service
Wants=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/snapback-lab/net
UNIT
	ln -s ../lab-net.service "$1/etc/systemd/system/multi-user.target.wants/"
}

let_root_in() {
	ssh-keygen -q -t ed25519 -N '' -C lab -f "$2/id_ed25519"
	ssh-keygen -q -t ed25519 -N '' -C lab -f "$1/etc/ssh/ssh_host_ed25519_key"
	mkdir -p "$1/root/.ssh"
	chmod 0700 "$1/root/.ssh"
	cp "$2/id_ed25519.pub" "$1/root/.ssh/authorized_keys"
	printf 'vm %s\n' "$(cut -d ' ' -f 1,2 "$1/etc/ssh/ssh_host_ed25519_key.pub")" >"$2/known_hosts"
}

main() {
	mkdir "$2"
	cp -a "$1" "$2/tree"
	fetch_kernel "$2/tree"
	place_kernel "$2/tree" "$2"
	place_network "$2/tree"
	let_root_in "$2/tree" "$2"
	echo vm >"$2/tree/etc/hostname"
	echo '/dev/nvme0n1 / ext4 rw 0 0' >"$2/tree/etc/fstab"
	truncate -s 600M "$2/disk"
	mkfs.ext4 -q -F -d "$2/tree" "$2/disk"
	rm -rf "$2/tree"
}

main "$@"
