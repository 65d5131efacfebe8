# shellcheck shell=sh
# Undoing: started changes only, newest first; what fails is told and the rest goes on.

# Undoes everything. The result of each item goes to the journal; returns 1 when something is still broken.
undo_changes() {
	PENDING=
	uc_broken=0
	uc_n=$((SPEC_changes - 1))
	while [ "$uc_n" -ge 0 ]; do
		[ ! -e "$TX/started.$uc_n" ] || undo_change "$uc_n" || uc_broken=1
		uc_n=$((uc_n - 1))
	done
	undo_handlers || uc_broken=1
	return "$uc_broken"
}

undo_change() {
	read_change "$1"
	# The mirror of the way there: handlers of files run before the undo of what isn't files.
	if [ "$CHANGE_KIND" != files ]; then undo_handlers || uc_broken=1; read_change "$1"; fi
	WHY=
	if "${CHANGE_KIND}_undo" "$1" all; then
		! has_restored || await_handlers "$1"
		journal "undo_item ok=1 -- $CHANGE_NAME"
		return 0
	fi
	! has_restored || await_handlers "$1"
	journal "undo_item ok=0 -- $CHANGE_NAME: ${WHY:-some paths are not as before}"
	tell_broken "$1"
	return 1
}

# Whether anything was put back at all: a file of one change may lie below what another one watches, so that its
# handlers are due though its own undo found nothing to do.
has_restored() {
	for hr_mark in "$JOB"/c/*/restored; do
		[ ! -e "$hr_mark" ] || return 0
	done
	return 1
}

# A failing handler is a broken undo: nothing else vouches for what runs.
undo_handlers() {
	[ -n "$PENDING" ] || return 0
	run_handlers go_on
}

tell_broken() {
	[ -s "$JOB/c/$1/broken" ] || return 0
	head -n 20 "$JOB/c/$1/broken" | while IFS=/ read -r tb_meta tb_path; do
		journal "undo_item ok=0 -- /$tb_path: ${tb_meta%% *}"
	done
}

# Carries a decided rollback out: alone, to the end, and told. The caller has taken the carry.
carry_rollback() {
	JOB=$TX/job
	rm -f "$TX/undo_failed"
	cr_cause=
	[ ! -f "$TX/cause" ] || IFS= read -r cr_cause <"$TX/cause"
	journal "rolling_back -- ${cr_cause:-the guard was not confirmed}"
	cr_stuck=0
	kill_transaction || cr_stuck=1
	# What was kept for the copies is given back when nobody is left to take it.
	rm -f "$TX/reserve.copies"
	# An undo before this one may have started again what has just been killed: its handlers are due once more.
	[ ! -e "$TX/carry.2" ] || rm -f "$TX"/undone.????????????????
	cr_code=0
	undo_changes || cr_code=1
	# What can't be killed may have written since: the undo is only over when it is gone.
	if [ "$cr_stuck" = 1 ]; then
		if kill_transaction; then
			rm -f "$TX"/undone.*
			undo_changes || cr_code=1
		else
			journal "undo_item ok=0 -- a process of the change can't be killed: $(transaction_pids | tr '\n' ' ')"
			cr_code=1
		fi
	fi
	if [ "$cr_code" = 0 ]; then
		read_lateness
		finish rolled_back || return 1
		journal "rolled_back late_ms=$LATE_MS -- $cr_cause"
	else
		mark undo_failed "1"
		journal "rollback_failed -- $cr_cause"
	fi
	tell_people "$cr_code"
	return "$cr_code"
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
	finish confirmed && journal confirmed
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
