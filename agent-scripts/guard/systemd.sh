# shellcheck shell=sh
# The guard under systemd: supervisor, backup and runner are units of their own, so that neither the end of the ssh
# session nor logind nor `systemctl isolate` takes them along.

systemd_can() {
	systemd_boots
}

# SIGPIPE: the agent ignores it by itself, and what is ignored on entry no shell can give back to the user's commands.
# KillMode=process: a daemon that a script started lives on when the runner has ended.
SYSTEMD_SERVICE="KillMode=process IgnoreSIGPIPE=no"
SYSTEMD_GUARD="Restart=on-failure RestartSec=100ms OOMPolicy=continue OOMScoreAdjust=-900"
SYSTEMD_BACKUP="Type=oneshot TimeoutStartSec=infinity"

# Starts the supervisor and, independent of it, the backup.
systemd_start() {
	if has_systemd_run; then
		run_unit guard "$SYSTEMD_GUARD" '' supervise "$ID" || return 1
		# AccuracySec: the default of a minute fired up to 43 s late. A unit name per transaction: a failed one stays loaded.
		run_unit backup "$SYSTEMD_BACKUP" "--on-active=5 --on-unit-inactive=5 --timer-property=AccuracySec=100ms
			--timer-property=IgnoreOnIsolate=yes" backup "$ID"
		return
	fi
	write_unit guard "$SYSTEMD_GUARD" supervise "$ID" &&
		write_unit backup "$SYSTEMD_BACKUP" backup "$ID" && write_timer backup &&
		write_unit run "Environment=SNAPBACK_TX=$ID" run "$ID" &&
		systemctl daemon-reload &&
		systemctl start "snapback-$ID-guard.service" "snapback-$ID-backup.timer"
}

has_systemd_run() {
	command -v systemd-run >/dev/null 2>&1
}

# run_unit NAME PROPERTIES OPTIONS VERB ARG...: starts a transient unit. systemd expands $ in commands: a script file
# has none.
run_unit() {
	ru_options="$3 -p IgnoreOnIsolate=yes"
	for ru_property in $SYSTEMD_SERVICE $2; do ru_options="$ru_options -p $ru_property"; done
	ru_unit=snapback-$ID-$1
	shift 3
	# shellcheck disable=SC2086 # words, split on purpose; SH may be two
	systemd-run -q --collect --unit="$ru_unit" $ru_options $SH "$AGENT" - "$STATE_DIR" plain - "$@"
}

# Where systemd-run is missing (some distributions pack it apart) the same units are files of this boot.
RUN_UNITS=/run/systemd/system

# write_unit NAME PROPERTIES VERB ARG...
write_unit() {
	wu_file=$RUN_UNITS/snapback-$ID-$1.service wu_properties=$2
	shift 2
	[ -d "$RUN_UNITS" ] || mkdir -p "$RUN_UNITS" || return 1
	{
		write_unit_head
		put "[Service]"
		for wu_property in $SYSTEMD_SERVICE $wu_properties; do put "$wu_property"; done
		put "ExecStart=$SH \"$AGENT\" - \"$STATE_DIR\" plain - $*"
	} >"$wu_file" && chmod 0644 "$wu_file"
}

write_unit_head() {
	put "[Unit]
Description=snapback: guard of the change $ID
IgnoreOnIsolate=yes
CollectMode=inactive-or-failed
"
}

write_timer() {
	wt_file=$RUN_UNITS/snapback-$ID-$1.timer
	{
		write_unit_head
		put "[Timer]
OnActiveSec=5
OnUnitInactiveSec=5
AccuracySec=100ms"
	} >"$wt_file" && chmod 0644 "$wt_file"
}

systemd_is_armed() {
	# Two questions: is-active with two names is content with one of them.
	systemctl is-active --quiet "snapback-$ID-guard.service" &&
		systemctl is-active --quiet "snapback-$ID-backup.timer" && is_alive "$TX/supervisor"
}

systemd_start_runner() {
	if has_systemd_run; then
		run_unit run "Environment=SNAPBACK_TX=$ID" '' run "$ID"
	else
		systemctl start "snapback-$ID-run.service"
	fi
}

# A process of its own for what must not end with the session that asked for it.
systemd_detach() {
	read_now
	sd_name=$1-$NOW-$$
	if has_systemd_run; then
		run_unit "$sd_name" '' '' "$@"
	else
		write_unit "$sd_name" '' "$@" && systemctl daemon-reload && systemctl start "snapback-$ID-$sd_name.service"
	fi
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
	rm -f "$RUN_UNITS/snapback-$ID-"*
	return 0
}
