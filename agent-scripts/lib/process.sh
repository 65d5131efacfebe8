# shellcheck shell=sh
# Processes: who they are beyond their number, whether they live, and which connection serves us.

# Sets STAT_STATE, STAT_PARENT, STAT_TICK, STAT_NAME for a pid. The start tick (field 22 of /proc/PID/stat, in
# clock ticks since boot) tells a process from a later one with the same number. No fork.
read_stat() {
	STAT_TICK=
	read -r rs_line 2>/dev/null <"/proc/$1/stat" || return 1
	rs_name=${rs_line#*"("}
	STAT_NAME=${rs_name%")"*}
	rs_rest=${rs_line##*") "}
	# shellcheck disable=SC2086 # the fields are numbers, split on purpose
	set -- $rs_rest
	STAT_STATE=$1
	STAT_PARENT=$2
	shift 19
	STAT_TICK=$1
}

read_boot_id() {
	read -r BOOT_ID </proc/sys/kernel/random/boot_id || BOOT_ID=none
}

# Sets MY_IDENTITY to "pid tick boot_id" of this very process. $$ is wrong in a subshell, so it is read anew.
read_identity() {
	read_stat "$$" || STAT_TICK=0
	read_boot_id
	MY_IDENTITY="$$ $STAT_TICK $BOOT_ID"
}

# Prints the identity of the subshell that this runs in.
take_identity_of_self() {
	read -r ti_pid _ </proc/self/stat && read_stat self && read_boot_id && put "$ti_pid $STAT_TICK $BOOT_ID"
}

# Whether the process whose identity stands in a file is alive: same boot, same number, same start, no zombie.
is_alive() {
	[ -f "$1" ] || return 1
	read -r ALIVE_PID ia_tick ia_boot _ 2>/dev/null <"$1" || return 1
	read_boot_id
	[ "$ia_boot" = "$BOOT_ID" ] || return 1
	read_stat "$ALIVE_PID" || return 1
	[ "$STAT_STATE" != Z ] && [ "$STAT_STATE" != X ] && [ "$STAT_TICK" = "$ia_tick" ]
}

# Wakes the process of an identity file out of its nap. The signal alone could come before the nap does.
wake() {
	is_alive "$1" || return 0
	put 1 2>/dev/null >"$1.woken"
	kill -USR1 "$ALIVE_PID" 2>/dev/null
	return 0
}

wake_followers() {
	for wf_file in "$TX"/follower.*[0-9]; do
		[ ! -f "$wf_file" ] || wake "$wf_file"
	done
}

# Says who we are in a file, so that others can tell whether we live, and wake us. The line is written at once; in the
# moment before, the file is there and empty, which must be read as "not there yet" ([ -s ]) and not as "dead".
take_name() {
	# Only a nap may be interrupted; everything else runs as if nobody woke us.
	trap '' USR1
	NAP_FILE=$1
	read_identity
	put "$MY_IDENTITY" >"$1"
}

# Sleeps at most the given centiseconds, one second at most, less when woken.
nap() {
	WOKEN=
	trap 'WOKEN=1' USR1
	[ -s "$NAP_FILE.woken" ] || doze "$1"
	trap '' USR1
	[ ! -s "$NAP_FILE.woken" ] || true >"$NAP_FILE.woken"
}

doze() {
	if [ "$1" -ge 100 ]; then
		$SLEEP 1 &
	elif [ "$1" -ge 10 ]; then
		$SLEEP "0.$1" 2>/dev/null &
	else
		$SLEEP 0.05 2>/dev/null &
	fi
	if [ -z "$WOKEN" ]; then
		wait "$!" 2>/dev/null
		case $? in
		0) return ;;
		# A sleep that knows no fractions fails at once.
		1) [ -n "$WOKEN" ] || sleep 1 ;;
		esac
	fi
	# Not waited for again: where a signal came just as the sleep ended, bash has forgotten that it did, and would wait
	# for ever.
	kill -KILL "$!" 2>/dev/null
	return 0
}

# Ends a child and takes its end in. The braces keep bash from telling of it.
end_child() {
	{
		kill "-$2" "$1"
		wait_for "$1"
	} 2>/dev/null
}

# Waits for a child to its end and sets WAITED to its code: a wake (USR1) ends a wait, not the child.
wait_for() {
	while :; do
		wait "$1"
		WAITED=$?
		kill -0 "$1" || return 0
	done 2>/dev/null
}

# Kills a process and all that descend from it: for what is in no process group of its own. They are stopped first, so
# that none has another child meanwhile.
kill_tree() {
	walk_tree "$1" stop_process
	# shellcheck disable=SC2086 # numbers, split on purpose
	kill -KILL $TREE 2>/dev/null
	return 0
}

stop_process() {
	kill -STOP "$1" 2>/dev/null
}

# walk_tree PID FUNCTION: calls FUNCTION for a process and for each that descends from it, until no other is found. Sets
# TREE to all of them.
walk_tree() {
	TREE=" $1 " wtr_visit=$2 wtr_grown=1
	"$wtr_visit" "$1"
	while [ -n "$wtr_grown" ]; do
		wtr_grown=
		for wtr_proc in /proc/[0-9]*; do
			wtr_pid=${wtr_proc#/proc/}
			case $TREE in *" $wtr_pid "*) continue ;; esac
			read_stat "$wtr_pid" || continue
			case $TREE in *" $STAT_PARENT "*) ;; *) continue ;; esac
			"$wtr_visit" "$wtr_pid"
			TREE="$TREE$wtr_pid " wtr_grown=1
		done
	done
}

# Sleeps for centiseconds; for whole seconds where sleep knows no fractions.
rest() {
	rt_part=$(($1 % 100))
	[ "$rt_part" -ge 10 ] || rt_part=0$rt_part
	sleep "$(($1 / 100)).$rt_part" 2>/dev/null || sleep "$((($1 + 99) / 100))"
}

# Sets CONNECTION to "pid:tick" of the process that sshd or dropbear forked when it accepted the TCP connection
# that serves us. For a user other than root sshd forks a second process after authentication: that one is too
# young to tell when the connection was opened, so the walk goes on up to the last one below the listener.
#
# run0 has the agent started by PID 1, where no walk leads to sshd. Its client is still a child of the session, and
# OUTER, which became that client, tells its number: whoever can forge that is root already.
read_connection() {
	walk_to_connection "$$" && return 0
	case ${SNAPBACK_FROM:-} in '' | *[!0-9]*) return 1 ;; esac
	walk_to_connection "$SNAPBACK_FROM"
}

walk_to_connection() {
	CONNECTION=
	rc_pid=$1
	while [ "$rc_pid" -gt 1 ]; do
		read_stat "$rc_pid" || break
		case $STAT_NAME in
		dropbear | dropbearmulti)
			CONNECTION=$rc_pid:$STAT_TICK
			break
			;;
		sshd | sshd-session | sshd-auth)
			# A title is one word of the command line; the NUL behind it is no end of line.
			IFS= read -r rc_title 2>/dev/null <"/proc/$rc_pid/cmdline" || :
			case $rc_title in
			*"[listener]"*) break ;;
			"sshd: "* | "sshd-session: "* | "sshd-auth: "*) CONNECTION=$rc_pid:$STAT_TICK ;;
			*)
				[ -n "$CONNECTION" ] || CONNECTION=$rc_pid:$STAT_TICK
				break
				;;
			esac
			;;
		*) [ -z "$CONNECTION" ] || break ;;
		esac
		rc_pid=$STAT_PARENT
	done
	[ -n "$CONNECTION" ]
}

# Kills every process of the transaction and waits until none is left: by its unit's cgroup, and by the mark in
# its environment for what left the cgroup. Returns 1 when one can't die (it hangs in the kernel).
kill_transaction() {
	kt_left=50
	while :; do
		guard_kill_runner
		kt_pids=$(transaction_pids)
		[ -n "$kt_pids" ] || return 0
		for kt_pid in $kt_pids; do
			kill -KILL "$kt_pid" 2>/dev/null
			thaw_process "$kt_pid"
		done
		kt_left=$((kt_left - 1))
		[ "$kt_left" -gt 0 ] || return 1
		rest 10
	done
}

# A frozen cgroup of version 1 keeps even a killed process; version 2 lets it go, and would freeze what is started next.
# A host that has both mounts the second beside the controllers of the first.
thaw_process() {
	while IFS=: read -r _ tp_kind tp_path; do
		case $tp_kind in
		'')
			tp_file=/sys/fs/cgroup$tp_path/cgroup.freeze tp_word=0
			[ -e "$tp_file" ] || tp_file=/sys/fs/cgroup/unified$tp_path/cgroup.freeze
			;;
		freezer) tp_file=/sys/fs/cgroup/freezer$tp_path/freezer.state tp_word=THAWED ;;
		*) continue ;;
		esac
		[ ! -w "$tp_file" ] || echo "$tp_word" >"$tp_file"
	done 2>/dev/null <"/proc/$1/cgroup"
	return 0
}

transaction_pids() {
	grep -ls "SNAPBACK_TX=$ID" /proc/[0-9]*/environ 2>/dev/null | while IFS=/ read -r _ _ tp_pid _; do
		[ "$tp_pid" = "$$" ] && continue
		read_stat "$tp_pid" || continue
		[ "$STAT_STATE" = Z ] || put "$tp_pid"
	done
}
