# shellcheck shell=sh
# The guard where no manager of units is: processes in sessions of their own.

bare_spawn() {
	(
		# The mark is for the runner and what it starts: who undoes kills whatever carries it.
		# What is ignored on entry no shell can give back to the user's commands.
		trap - HUP PIPE USR1
		if [ "$1" = run ]; then export SNAPBACK_TX="$ID"; else unset SNAPBACK_TX; fi
		leave_session
		# Every inherited descriptor is closed: sshd waits for whoever still holds one.
		# shellcheck disable=SC2086 # SH may be two words
		exec $SETSID $SH "$AGENT" - "$STATE_DIR" plain - "$@" </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
	) &
}

# elogind may end a session's processes with it, by their control group: whoever guards is in none.
leave_session() {
	[ "$UID_NOW" = 0 ] || return 0
	while IFS=: read -r _ ls_name ls_path; do
		case $ls_name$ls_path in
		name=elogind/?*) echo 0 >/sys/fs/cgroup/elogind/cgroup.procs ;;
		/*session* | /[0-9c]*) [ ! -d /run/systemd/sessions ] || echo 0 >/sys/fs/cgroup/cgroup.procs ;;
		esac
	done 2>/dev/null </proc/self/cgroup
	return 0
}

bare_start() {
	bare_spawn supervise "$ID"
	bare_spawn backup_loop "$ID"
}

bare_is_armed() {
	is_alive "$TX/supervisor" && is_alive "$TX/backup"
}

bare_start_runner() {
	bare_spawn run "$ID"
}

bare_detach() {
	bare_spawn "$@"
}

# Everything of the transaction carries its mark in the environment; there is no cgroup to ask.
bare_kill_runner() {
	return 0
}

bare_kill_supervisor() {
	return 0
}

bare_note_runner() {
	return 0
}

# The backup ends by itself when it sees the end.
bare_stop() {
	wake "$TX/backup"
}
