# shellcheck shell=sh
# The runner: applies the changes and runs the remote checks, detached from every session.

verb_run() {
	open_tx "$1" || exit 0
	trap '' HUP PIPE
	take_name "$TX/runner" || exit 0
	guard_note_runner
	JOB=$TX/job
	PENDING=
	run_changes || exit 0
	if ! guard_is_armed; then
		fail "the guard was no longer armed after apply"
		# Nobody may be left to hear it.
		decide_rollback "the guard was no longer armed after apply" && guard_detach resolve "$ID"
		exit 0
	fi
	note_after
	read_now
	note applied "$NOW"
	read_deadline
	journal "applied left=$(((DEADLINE - NOW) / 100))"
	[ "$SPEC_settle" = 0 ] || sleep "$SPEC_settle"
	run_checks || exit 0
	note passed 1
	wake "$TX/supervisor"
	exit 0
}

# Says that apply or a check failed; the supervisor decides.
fail() {
	note failed "$(one_line "$1")"
	wake "$TX/supervisor"
}

run_changes() {
	rch_n=0
	while [ "$rch_n" -lt "$SPEC_changes" ]; do
		read_decision
		[ -z "$DECISION" ] || return 1
		read_change "$rch_n"
		if change_is_due "$rch_n"; then run_change "$rch_n" || return 1; fi
		rch_n=$((rch_n + 1))
	done
	run_pending
}

run_pending() {
	[ -n "$PENDING" ] || return 0
	WHY=
	run_handlers stop && return 0
	fail "$WHY"
	return 1
}

run_change() {
	if [ "$CHANGE_KIND" != files ]; then
		run_pending || return 1
		read_change "$1"
	fi
	# Written before the first byte changes: the undo goes by it.
	mark "started.$1" || {
		fail "the record could not be written"
		return 1
	}
	read_now
	rc_began=$NOW
	journal_quietly "change_started n=$1 -- $CHANGE_NAME"
	WHY=
	if ! "${CHANGE_KIND}_apply" "$1" || ! run_validate "$1"; then
		fail "change '$CHANGE_NAME': ${WHY:-failed}"
		return 1
	fi
	case $CHANGE_KIND in files | revert) await_handlers "$1" ;; esac
	read_now
	journal_quietly "change_finished n=$1 ms=$(((NOW - rc_began) * 10)) -- $CHANGE_NAME"
}

# The user's validation: files in place, nothing reloaded yet.
run_validate() {
	has_command "$JOB/c/$1/cmd.validate" || return 0
	run_step "$1" "$JOB/c/$1/cmd.validate" "$CHANGE_TIMEOUT" "$JOB/c/$1/validate.out" && return 0
	WHY="validate: $(step_reason "$?" "$CHANGE_TIMEOUT" "$JOB/c/$1/validate.out")"
	return 1
}
