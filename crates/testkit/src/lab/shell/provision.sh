#!/bin/sh
# Runs inside the fresh Debian tree, once, while the image is built.
set -eu

mask_what_a_lab_host_has_no_use_for() {
	for unit in \
		apt-daily.service apt-daily.timer apt-daily-upgrade.service apt-daily-upgrade.timer \
		dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
		systemd-tmpfiles-clean.timer systemd-pstore.service systemd-resolved.service \
		systemd-networkd-wait-online.service systemd-journal-flush.service \
		systemd-update-utmp.service systemd-update-utmp-runlevel.service \
		console-getty.service getty.target 'getty@.service' 'container-getty@.service' \
		dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
		'modprobe@.service' systemd-logind-varlink.socket; do
		ln -sf /dev/null "/etc/systemd/system/$unit"
	done
	mkdir -p /etc/systemd/journald.conf.d
	printf '[Journal]\nStorage=volatile\n' >/etc/systemd/journald.conf.d/lab.conf
}

let_people_in() {
	rm -f /etc/ssh/ssh_host_*
	useradd --create-home --shell /bin/bash deploy
	# Without PAM, sshd refuses an account whose password field starts with "!".
	usermod --password '*' deploy
	usermod --password '*' root
	printf 'deploy ALL=(ALL:ALL) NOPASSWD: ALL\n' >/etc/sudoers.d/deploy
	chmod 0440 /etc/sudoers.d/deploy
	printf '%s\n' 'HostKey /etc/ssh/ssh_host_ed25519_key' 'MaxStartups 200:30:300' 'MaxSessions 50' \
		'PasswordAuthentication no' 'PrintMotd no' 'UseDNS no' >/etc/ssh/sshd_config.d/00-lab.conf
	: >/etc/motd
}

forget_the_machine_it_was_made_on() {
	: >/etc/machine-id
	rm -f /var/lib/dbus/machine-id /etc/resolv.conf
	: >/etc/resolv.conf
	rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
	rm -rf /usr/share/doc/* /usr/share/man/* /usr/share/locale/*
}

main() {
	mask_what_a_lab_host_has_no_use_for
	let_people_in
	forget_the_machine_it_was_made_on
}

main "$@"
