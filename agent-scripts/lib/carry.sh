# shellcheck shell=sh
# Carrying a decision out: alone, to the end, and told.

# Carries a decided rollback out. The caller has taken the carry.
carry_rollback() {
	JOB=$TX/job
	end_restorer
	cr_cause=
	[ ! -f "$TX/cause" ] || IFS= read -r cr_cause <"$TX/cause"
	journal "rolling_back -- ${cr_cause:-the guard was not confirmed}"
	cr_stuck=0
	kill_transaction || cr_stuck=1
	# What was kept for the copies is given back when nobody is left to take it.
	rm -f "$TX/reserve.copies"
	# An undo before this one may have started again what has just been killed: its handlers are due once more.
	[ ! -e "$TX/carry.2" ] && [ ! -e "$TX/undo_failed" ] || rm -f "$TX"/undone.????????????????
	rm -f "$TX/undo_failed"
	cr_code=0
	mend_started
	undo_all || cr_code=1
	# What can't be killed may have written since: the undo is only over when it is gone.
	if [ "$cr_stuck" = 1 ]; then
		if kill_transaction; then
			rm -f "$TX"/undone.*
			undo_changes || cr_code=1
		else
			item_broken "a process of the change can't be killed: $(transaction_pids | tr '\n' ' ')"
			cr_code=1
		fi
	fi
	[ "$cr_code" = 0 ] || reboot_once
	if [ "$cr_code" = 0 ]; then
		read_lateness
		finish rolled_back || return 1
		recheck
		journal "rolled_back late_ms=$LATE_MS healthy=$HEALTHY -- $cr_cause"
	else
		mark undo_failed "1"
		journal "rollback_failed -- $cr_cause"
	fi
	tell_people "$cr_code"
	return "$cr_code"
}

# One that was killed while it put paths back may have left the process that did it.
end_restorer() {
	! is_alive "$TX/restorer" || kill_tree "$ALIVE_PID"
	rm -f "$TX/restorer"
}

# Sets LATE_MS: how long after its deadline the guard began to undo; 0 when it was told to.
read_lateness() {
	LATE_MS=0
	[ -e "$TX/expired" ] || return 0
	read_mark expired && LATE_MS=$((MARK * 10))
}

# The host says it too. In the background and bounded: a hanging logger must not hold the undo.
tell_people() {
	case $1 in
	0) tp_text="snapback: the change $ID was rolled back" ;;
	*) tp_text="snapback: the rollback of $ID FAILED; see $TX/journal" ;;
	esac
	# With a volatile guard nothing of the machine shall be touched but what the change names.
	[ "$UID_NOW" = 0 ] && [ "$SPEC_volatile" != 1 ] || return 0
	for tp_program in logger wall; do
		command -v "$tp_program" >/dev/null 2>&1 || continue
		(
			(exec $SETSID "$tp_program" "$tp_text") &
			await_step $! 5 "$TX/$tp_program.late"
		) </dev/null >/dev/null 2>&1 &
	done
}

# Carries a decided confirmation out. Kinds that have something to do then do it here, idempotently.
carry_confirm() {
	# What it was confirmed despite stands behind the decision itself.
	{
		read -r _
		while IFS= read -r cc_red; do journal_quietly "despite -- $cc_red"; done
	} <"$TX/turn.$TURN"
	finish confirmed && journal confirmed
}

# Whether another process is still asking the checks of an undo that is over.
is_rechecked() {
	read_mark 'done' && [ "$MARK" = rolled_back ] && carrier_alive && [ "$ALIVE_PID" != "$$" ]
}

# Carries out whatever was decided, if nobody else does.
carry_out() {
	read_decision
	[ -n "$DECISION" ] || return 1
	if read_mark 'done'; then return 0; fi
	if read_mark undo_failed; then return 1; fi
	take_carry || return 1
	case $DECISION in
	confirm) carry_confirm ;;
	*) carry_rollback ;;
	esac
}
