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
	[ -f "$2" ] || return 0
	while IFS= read -r ep_line || [ -n "$ep_line" ]; do
		ep_key=${ep_line%%=*}
		case $ep_line in *=*) ;; *) continue ;; esac
		case $ep_key in '' | *[!A-Za-z0-9_]*) continue ;; esac
		ep_key=$(printf '%s' "$ep_key" | tr '[:lower:]' '[:upper:]')
		export "$1_$ep_key=${ep_line#*=}"
	done <"$2"
}

# Sets the environment of a command of change N (or of a check, when N is empty). Called in a subshell.
export_environment() {
	export DEPLOY_HOST="$SPEC_host" DEPLOY_ADDRESS="$SPEC_address" DEPLOY_RUN="$SPEC_run"
	export SNAPBACK_TX="$ID"
	if [ -f "$JOB/vars" ]; then
		while IFS=' ' read -r ee_name ee_value; do
			decode "$ee_value"
			export "VAR_$ee_name=$DECODED"
		done <"$JOB/vars"
	fi
	for ee_out in "$JOB"/c/*/output; do
		[ -f "$ee_out" ] && export_pairs OUTPUT "$ee_out"
	done
	[ -n "$1" ] || return 0
	export_pairs FACT "$JOB/c/$1/facts"
	export DEPLOY_OUTPUT="$JOB/c/$1/output"
}

# run_step N COMMAND SECONDS OUT: runs a command file in a session of its own, at most SECONDS long, with its
# output on a file. 124 says that its time was up and its whole process group was ended.
run_step() {
	rst_n=$1 rst_command=$2 rst_seconds=$3 rst_out=$4
	rm -f "$rst_out.late"
	(
		export_environment "$rst_n"
		umask 022
		cd / || exit 126
		if [ -f "$rst_command.sh" ]; then
			# shellcheck disable=SC2086 # SH may be two words
			exec $SETSID $SH -e "$rst_command.sh" </dev/null >"$rst_out" 2>&1
		fi
		exec $SETSID "$rst_command.run" </dev/null >"$rst_out" 2>&1
	) &
	await_step $! "$rst_seconds" "$rst_out"
}

# Waits for a process group's leader and ends the group when its time is up: TERM, then KILL after two seconds.
await_step() {
	as_pid=$1 as_out=$3
	# shellcheck disable=SC2086
	$SETSID $SH "$AGENT" "$NONCE" "$STATE_DIR" plain - watchdog "$as_pid" "$2" "$as_out.late" </dev/null >/dev/null 2>&1 &
	as_dog=$!
	while :; do
		wait "$as_pid"
		as_code=$?
		# A wake (USR1) ends the wait, not the step.
		kill -0 "$as_pid" 2>/dev/null || break
	done
	# The watchdog's own sleep goes with it.
	kill -KILL "-$as_dog" 2>/dev/null || kill -KILL "$as_dog" 2>/dev/null
	wait "$as_dog" 2>/dev/null
	[ ! -f "$as_out.late" ] || as_code=124
	return "$as_code"
}

# The watchdog of one step, a process of its own.
watchdog() {
	sleep "$2"
	: >"$3"
	kill -TERM "-$1" 2>/dev/null || kill -TERM "$1" 2>/dev/null
	sleep 2
	kill -KILL "-$1" 2>/dev/null || kill -KILL "$1" 2>/dev/null
}

# Says in words how a step ended.
step_reason() {
	case $1 in
	124) printf 'did not end within %s s' "$2" ;;
	126 | 127) printf 'could not be started (exit status %s)' "$1" ;;
	*) printf 'exit status %s' "$1" ;;
	esac
	sr_last=$(last_line "$3")
	[ -z "$sr_last" ] || printf ': %s' "$sr_last"
}

# The last lines of a step's output go to the journal, bounded in number and length.
journal_output() {
	[ -s "$2" ] || return 0
	tail -c 4000 "$2" | tr -d '\000' | tail -n 20 | cut -c 1-400 >"$2.tail"
	while IFS= read -r jo_line || [ -n "$jo_line" ]; do
		printf 'output step=%s -- %s\n' "$1" "$jo_line" >>"$TX/journal"
	done <"$2.tail"
	rm -f "$2.tail"
	wake_followers
}
