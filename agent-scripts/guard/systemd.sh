# shellcheck shell=sh
# The guard under systemd: supervisor, backup and runner are units of their own, so that neither the end of the ssh
# session nor logind nor `systemctl isolate` takes them along.

systemd_can() {
	[ "$UID_NOW" = 0 ] && [ -d /run/systemd/system ] && command -v systemd-run >/dev/null 2>&1
}

# SIGPIPE: the agent ignores it by itself, and what is ignored on entry no shell can give back to the user's commands.

# Starts the supervisor and, independent of it, the backup. systemd expands $ in commands: a script file has none.
systemd_start() {
	# shellcheck disable=SC2086 # SH may be two words
	systemd-run -q --collect --unit="snapback-$ID-guard" \
		-p Restart=on-failure -p RestartSec=100ms -p KillMode=process -p IgnoreOnIsolate=yes -p IgnoreSIGPIPE=no \
		-p OOMPolicy=continue -p OOMScoreAdjust=-900 \
		$SH "$AGENT" - "$STATE_DIR" plain - supervise "$ID" || return 1
	# AccuracySec: the default of a minute fired up to 43 s late. A unit name per transaction: a failed one stays loaded.
	# shellcheck disable=SC2086
	systemd-run -q --collect --unit="snapback-$ID-backup" --on-active=5 --on-unit-inactive=5 \
		--timer-property=AccuracySec=100ms --timer-property=IgnoreOnIsolate=yes \
		-p Type=oneshot -p IgnoreOnIsolate=yes -p KillMode=process -p TimeoutStartSec=infinity -p IgnoreSIGPIPE=no \
		$SH "$AGENT" - "$STATE_DIR" plain - backup "$ID"
}

systemd_is_armed() {
	# Two questions: is-active with two names is content with one of them.
	systemctl is-active --quiet "snapback-$ID-guard.service" &&
		systemctl is-active --quiet "snapback-$ID-backup.timer" && is_alive "$TX/supervisor"
}

# KillMode=process: a daemon that a script started lives on when the runner has ended.
systemd_start_runner() {
	# shellcheck disable=SC2086
	systemd-run -q --collect --unit="snapback-$ID-run" -p KillMode=process -p IgnoreOnIsolate=yes \
		-p IgnoreSIGPIPE=no --setenv=SNAPBACK_TX="$ID" \
		$SH "$AGENT" - "$STATE_DIR" plain - run "$ID"
}

# A process of its own for what must not end with the session that asked for it.
systemd_detach() {
	read_now
	# shellcheck disable=SC2086
	systemd-run -q --collect --unit="snapback-$ID-$1-$NOW-$$" -p KillMode=process -p IgnoreOnIsolate=yes -p IgnoreSIGPIPE=no \
		$SH "$AGENT" - "$STATE_DIR" plain - "$@"
}

# Kills what is left in the runner's unit.
systemd_kill_runner() {
	[ -f "$TX/runner.cgroup" ] || return 0
	IFS= read -r skr_group <"$TX/runner.cgroup" || return 0
	kill_group "$skr_group"
}

# Kills the supervisor's whole unit: what it had started would keep the unit loaded when it is stopped or frozen too.
systemd_kill_supervisor() {
	read_group "$1" guard && kill_group "$GROUP"
}

# cgroup.kill reaches frozen processes; an older kernel needs them thawed.
kill_group() {
	[ -d "$1" ] || return 0
	if [ -w "$1/cgroup.kill" ]; then
		echo 1 >"$1/cgroup.kill"
		return 0
	fi
	[ ! -w "$1/cgroup.freeze" ] || echo 0 >"$1/cgroup.freeze"
	while read -r kg_pid; do
		kill -KILL "$kg_pid" 2>/dev/null
	done <"$1/cgroup.procs"
}

# Sets GROUP to the folder of a process's cgroup, if that is the one of our unit of this name.
read_group() {
	GROUP=
	while IFS= read -r rg_line; do
		case $rg_line in
		0::*"/snapback-$ID-$2.service") rg_folder=/sys/fs/cgroup${rg_line#0::} ;;
		*name=systemd:*"/snapback-$ID-$2.service") rg_folder=/sys/fs/cgroup/systemd${rg_line##*name=systemd:} ;;
		*) continue ;;
		esac
		# On a host with both versions only one of them is mounted where it is looked for.
		[ ! -d "$rg_folder" ] || GROUP=$rg_folder
	done 2>/dev/null <"/proc/$1/cgroup"
	[ -n "$GROUP" ]
}

# The runner notes where it runs, if that is a cgroup of its own unit.
systemd_note_runner() {
	if read_group self run; then put "$GROUP" >"$TX/runner.cgroup"; fi
}

# Stops what still waits, and a supervisor that systemd would otherwise start again for a record that is over. It
# may be the one that calls: TERM must not keep it from tidying up, and nobody waits for it.
systemd_stop() {
	trap '' TERM
	systemctl stop --no-block "snapback-$ID-backup.timer" "snapback-$ID-run.service" "snapback-$ID-guard.service" \
		>/dev/null 2>&1
	return 0
}

HOOK_UNITS=/etc/systemd/system

systemd_hook_installed() {
	[ -s "$STATE_DIR/hook.sh" ] && hook_script | cmp -s - "$STATE_DIR/hook.sh" || return 1
	for shi_stage in boot boot-mounted boot-late; do
		shi_target=sysinit
		[ "$shi_stage" != boot-late ] || shi_target=multi-user
		[ -L "$HOOK_UNITS/$shi_target.target.wants/snapback-$shi_stage.service" ] || return 1
		[ -s "$HOOK_UNITS/snapback-$shi_stage.service" ] || return 1
		systemd_hook_text "$shi_stage" | cmp -s - "$HOOK_UNITS/snapback-$shi_stage.service" || return 1
	done
}

# Installed once, inert without `current`. It is made durable before anything is armed; systemd need not be told:
# the next boot reads it.
systemd_install_hook() {
	systemd_hook_installed && return 0
	hook_script >"$STATE_DIR/hook.sh" || return 1
	sih_wants="$HOOK_UNITS/sysinit.target.wants $HOOK_UNITS/multi-user.target.wants"
	# shellcheck disable=SC2086
	mkdir -p $sih_wants || return 1
	for sih_stage in boot boot-mounted boot-late; do
		systemd_hook_text "$sih_stage" >"$HOOK_UNITS/snapback-$sih_stage.service" || return 1
		sih_target=sysinit
		[ "$sih_stage" != boot-late ] || sih_target=multi-user
		# systemd warns of units that not everybody may read.
		chmod 0644 "$HOOK_UNITS/snapback-$sih_stage.service" || return 1
		ln -sf "../snapback-$sih_stage.service" "$HOOK_UNITS/$sih_target.target.wants/" || return 1
	done
	# shellcheck disable=SC2086
	durable "$STATE_DIR/hook.sh" "$STATE_DIR" "$HOOK_UNITS"/snapback-boot*.service "$HOOK_UNITS" $sih_wants
}

systemd_remove_hook() {
	rm -f "$HOOK_UNITS"/snapback-boot*.service "$HOOK_UNITS"/*.wants/snapback-boot*.service "$STATE_DIR/hook.sh"
}

hook_script() {
	cat <<'HOOK'
#!/bin/sh
# snapback: undoes at boot what was not confirmed. Inert without `current`.
state=${0%/*}
read -r id <"$state/current" || exit 0
case $id in '' | */* | .*) exit 0 ;; esac
[ -f "$state/tx/$id/agent.sh" ] || exit 0
exec /bin/sh "$state/tx/$id/agent.sh" - "$state" plain - boot "$id" "$1"
HOOK
}

# Measured: only Before=local-fs-pre.target, with a daemon-reload of the hook's own, still boots a host whose fstab
# was broken. Where the state lies on a file system of its own, that one must be mounted first.
systemd_hook_text() {
	sht_state="ConditionPathExists=$STATE_DIR/current"
	sht_early=local-fs-pre.target
	read_mounts
	find_mount "$STATE_DIR"
	if [ "$MOUNT_POINT" != / ]; then
		sht_early=
		sht_state="$sht_state
RequiresMountsFor=$STATE_DIR"
	fi
	sht_network="network-pre.target systemd-networkd.service nftables.service netfilter-persistent.service ufw.service firewalld.service networking.service NetworkManager.service ssh.service sshd.service"
	case $1 in
	boot)
		sht_order="DefaultDependencies=no
After=systemd-remount-fs.service
Wants=local-fs-pre.target network-pre.target
Before=$sht_early local-fs.target sysinit.target systemd-sysctl.service systemd-modules-load.service $sht_network shutdown.target
Conflicts=shutdown.target"
		[ -n "$sht_early" ] || sht_order="DefaultDependencies=no
After=systemd-remount-fs.service
Wants=network-pre.target
Before=sysinit.target $sht_network shutdown.target
Conflicts=shutdown.target"
		;;
	boot-mounted)
		sht_order="DefaultDependencies=no
After=local-fs.target snapback-boot.service
Wants=network-pre.target
Before=sysinit.target $sht_network shutdown.target
Conflicts=shutdown.target"
		;;
	*) sht_order="After=multi-user.target" ;;
	esac
	cat <<UNIT
[Unit]
Description=snapback: undo what was not confirmed ($1)
$sht_order
$sht_state
IgnoreOnIsolate=yes

[Service]
Type=oneshot
ExecStart=/bin/sh $STATE_DIR/hook.sh $1
TimeoutStartSec=90
StandardOutput=journal+console
UNIT
}
