# shellcheck shell=sh
# The boot hook of systemd: three units, read at the next boot.

# A folder may be somebody else's, mounted from outside: process 1 itself must be systemd.
systemd_boots() {
	[ "$INIT" = systemd ] && [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1
}

HOOK_UNITS=/etc/systemd/system

systemd_hook_parts() {
	HOOK_PARTS="boot boot-mounted boot-late"
	HOOK_FOLDERS="$HOOK_UNITS $HOOK_UNITS/sysinit.target.wants $HOOK_UNITS/multi-user.target.wants"
}

systemd_hook_enabled() {
	hook_target "$1"
	[ -e "$HOOK_WANTS/snapback-$1.service" ]
}

# systemd need not be told: the next boot reads it.
systemd_enable_hook() {
	hook_target "$1"
	mkdir -p "$HOOK_WANTS" && ln -sf "../snapback-$1.service" "$HOOK_WANTS/"
}

hook_target() {
	case $1 in
	boot-late) HOOK_WANTS=$HOOK_UNITS/multi-user.target.wants ;;
	*) HOOK_WANTS=$HOOK_UNITS/sysinit.target.wants ;;
	esac
}

# Sets HOOK_FILE, HOOK_MODE and HOOK_TEXT for a stage.
# Measured: only Before=local-fs-pre.target, with a daemon-reload of the hook's own, still boots a host whose fstab
# was broken. Where the state lies on a file system of its own, that one must be mounted first.
systemd_hook_part() {
	HOOK_FILE=$HOOK_UNITS/snapback-$1.service HOOK_MODE=0644
	ht_state="ConditionPathExists=$STATE_DIR/current"
	ht_early="local-fs-pre.target local-fs.target systemd-sysctl.service systemd-modules-load.service"
	ht_wants="local-fs-pre.target network-pre.target"
	if ! state_is_on_root; then
		ht_early='' ht_wants=network-pre.target
		ht_state="$ht_state
RequiresMountsFor=$STATE_DIR"
	fi
	ht_network="network-pre.target systemd-networkd.service nftables.service netfilter-persistent.service ufw.service firewalld.service networking.service NetworkManager.service ssh.service sshd.service"
	# The boot waits for the early stages, so their time is limited. Nobody waits for the late one, each of its steps
	# has a limit of its own, and a daemon that a rollback starts must live on.
	ht_limit=TimeoutStartSec=90
	case $1 in
	boot)
		ht_order="DefaultDependencies=no
After=systemd-remount-fs.service
Wants=$ht_wants
Before=$ht_early sysinit.target $ht_network shutdown.target
Conflicts=shutdown.target"
		;;
	boot-mounted)
		ht_order="DefaultDependencies=no
After=local-fs.target snapback-boot.service
Wants=network-pre.target
Before=sysinit.target $ht_network shutdown.target
Conflicts=shutdown.target"
		;;
	*)
		ht_order=After=multi-user.target
		ht_limit="TimeoutStartSec=infinity
KillMode=process"
		;;
	esac
	HOOK_TEXT="[Unit]
Description=snapback: undo what was not confirmed ($1)
$ht_order
$ht_state
IgnoreOnIsolate=yes

[Service]
Type=oneshot
ExecStart=/bin/sh $STATE_DIR/hook.sh $1
$ht_limit
StandardOutput=journal+console
"
}
