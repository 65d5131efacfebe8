# shellcheck shell=sh
# Running the user's commands: bounded in time, with values in the environment, output on files.

# Finds a command file of the job: NAME.sh is inline shell, NAME.run a file with its own shebang.
has_command() {
	[ -f "$1.sh" ] || [ -f "$1.run" ]
}

# Decodes a value that the controller escaped because it holds a newline or a backslash.
decode() {
	case $1 in
	*\\*) DECODED=$(printf '%b.' "$1") && DECODED=${DECODED%.} ;;
	*) DECODED=$1 ;;
	esac
}

# Exports KEY=VALUE lines of a file as PREFIX_KEY in capitals; lines that are none are left alone.
export_pairs() {
	[ -s "$2" ] || return 0
	while IFS= read -r ep_line || [ -n "$ep_line" ]; do
		ep_key=${ep_line%%=*}
		case $ep_line in *=*) ;; *) continue ;; esac
		case $ep_key in '' | *[!A-Za-z0-9_]*) continue ;; esac
		case $ep_key in *[a-z]*) ep_key=$(put "$ep_key" | tr '[:lower:]' '[:upper:]') ;; esac
		export "$1_$ep_key=${ep_line#*=}"
	done <"$2"
}

# Sets the environment of a command of change N (or of a check, when N is empty). Called in a subshell.
export_environment() {
	export DEPLOY_HOST="$SPEC_host" DEPLOY_ADDRESS="$SPEC_address" DEPLOY_RUN="$SPEC_run"
	export SNAPBACK_TX="$ID"
	# Ours, not the user's: a command that calls a shell gets the host's own.
	unset SNAPBACK_SH SNAPBACK_STATE SNAPBACK_GUARD SNAPBACK_FROM
	while IFS=' ' read -r ee_name ee_value; do
		decode "$ee_value"
		export "VAR_$ee_name=$DECODED"
	done <"$JOB/vars"
	for ee_out in "$JOB"/c/*/output; do
		export_pairs OUTPUT "$ee_out"
	done
	[ -n "$1" ] || return 0
	export_pairs FACT "$JOB/c/$1/facts"
	export DEPLOY_OUTPUT="$JOB/c/$1/output"
}

# Becomes a command of change N, its output on a file or a pipe. Called in a subshell.
become_command() {
	export_environment "$1"
	# What is ignored stays so in whatever the command starts, and a daemon may want these.
	trap - HUP PIPE USR1
	umask 022
	cd / || exit 126
	if [ -f "$2.sh" ]; then
		bc_sh=$HOST_SH
		# While it is undone the host's own shell may not be back yet.
		[ -z "$RESCUE" ] || [ "$DECISION" != rollback ] || $HOST_SH -c : >/dev/null 2>&1 || bc_sh=$SH
		# shellcheck disable=SC2086 # it may be two words
		exec $SETSID $bc_sh -e "$2.sh" </dev/null >"$3" 2>&1
	fi
	exec 2>"$3"
	IFS= read -r bc_first <"$2.run"
	# Where nothing may be executed from the state's file system the interpreter reads the file all the same.
	case $NOEXEC$bc_first in
	1'#!'*)
		# shellcheck disable=SC2086 # the interpreter and its argument
		exec $SETSID ${bc_first#"#!"} "$2.run" </dev/null >"$3" 2>&1
		;;
	esac
	exec $SETSID "$2.run" </dev/null >"$3" 2>&1
}

# run_step N COMMAND SECONDS OUT: runs a command file in a session of its own, at most SECONDS long, with its
# output on a file. 124 says that its time was up and its whole process group was ended.
run_step() {
	rst_late=$4.late
	(become_command "$1" "$2" "$4") &
	await_step $! "$3" "$rst_late"
}

# await_step PID SECONDS LATE: waits for a process group's leader, and has the group ended when its time is up.
await_step() {
	as_pid=$1 as_late=$3
	[ ! -e "$as_late" ] || rm -f "$as_late"
	(watch_step "$as_pid" "$2" "$as_late") </dev/null >/dev/null 2>&1 &
	as_dog=$!
	wait_for "$as_pid"
	as_code=$WAITED
	end_child "$as_dog" TERM
	[ ! -e "$as_late" ] || as_code=124
	return "$as_code"
}

# The watchdog of one step: TERM when its time is up, KILL for what is left once it has gone, or after two seconds. It ends with its sleep when told to, and
# by itself when whoever waits for the step is gone: then somebody else takes over and ends the step.
watch_step() {
	ws_before=$!
	# The trap may run before the next command does, so it goes by $!, which is set as soon as the sleep is there.
	trap '[ "$!" = "$ws_before" ] || kill -KILL "$!" 2>/dev/null; exit 0' TERM
	read_stat "$1" || exit 0
	ws_tick=$STAT_TICK ws_left=$2
	while [ "$ws_left" -gt 0 ]; do
		$SLEEP 1 &
		wait "$!"
		ws_left=$((ws_left - 1))
		# Another process may have got the number by now, and one that ended in time was in time, even if whoever waits
		# for it was stopped and hasn't seen it.
		read_stat "$$" && read_stat "$1" && [ "$STAT_TICK" = "$ws_tick" ] && [ "$STAT_STATE" != Z ] || exit 0
	done
	trap '' TERM
	true >"$3"
	# What is no group's leader gets no chance to go by itself: its children would stay.
	kill -TERM "-$1" 2>/dev/null || kill_tree "$1"
	# Whoever waits for the step waits for us too, so a step that goes at once costs no more than that.
	ws_left=20
	while [ "$ws_left" -gt 0 ] && read_stat "$1" && [ "$STAT_TICK" = "$ws_tick" ] && [ "$STAT_STATE" != Z ]; do
		rest 10
		ws_left=$((ws_left - 1))
	done
	kill -KILL "-$1" 2>/dev/null || kill -KILL "$1" 2>/dev/null
}

# Says in words how a step ended.
step_reason() {
	case $1 in
	124) sr_text="did not end within $2 s" ;;
	126 | 127) sr_text="could not be started (exit status $1)" ;;
	*) sr_text="exit status $1" ;;
	esac
	sr_last=$(last_line "$3")
	put "$sr_text${sr_last:+: $sr_last}"
}

# The last lines of a step's output go to the journal, bounded in number and length.
journal_output() {
	[ -s "$2" ] || return 0
	tail -c 4000 "$2" | tail -n 20 | cut -c 1-400 | while IFS= read -r jo_line || [ -n "$jo_line" ]; do
		put "output step=$1 -- $jo_line"
	done >>"$TX/journal"
	wake_followers
}
