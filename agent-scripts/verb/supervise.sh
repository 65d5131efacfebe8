# shellcheck shell=sh
# The supervisor: waits, decides, undoes. It owns no ssh pipe and TERM is never a decision: it just ends, and
# whoever finds the transaction without a living supervisor undoes it.

verb_supervise() {
	open_tx "$1" || exit 0
	trap '' HUP PIPE
	trap 'WOKEN=1' USR1
	if [ -f "$TX/supervisor" ]; then
		# A second life: the first one ended without finishing, so the one rule applies.
		resolve restart
		guard_stop
		exit 0
	fi
	read_identity
	printf '%s\n' "$MY_IDENTITY" >"$TX/supervisor" && durable "$TX/supervisor" "$TX" || exit 1
	wake "$TX/holder"
	until supervise_once; do
		read_now
		if read_deadline; then nap $((DEADLINE - NOW)); else nap 100; fi
	done
	guard_stop
	clean_up
	exit 0
}

# One look at the record; returns 0 when all is over.
supervise_once() {
	if read_mark 'done'; then return 0; fi
	read_decision
	if [ -n "$DECISION" ]; then
		carry_out
		# A confirmation that another process carries out is watched until it is through.
		read_mark 'done' || { [ "$DECISION" = rollback ] && read_mark undo_failed; }
		return
	fi
	if read_mark failed; then
		decide_rollback "$MARK"
		return 1
	fi
	read_now
	if ! read_deadline; then
		decide_rollback "the record of the arming is not of this boot"
		return 1
	fi
	if [ "$NOW" -ge "$DEADLINE" ]; then
		mark expired $((NOW - DEADLINE))
		if read_mark applied; then
			decide_rollback "not confirmed within $SPEC_window s after apply"
		else
			decide_rollback "apply did not end within $SPEC_apply_timeout s"
		fi
		return 1
	fi
	if ! [ -f "$TX/go" ] && ! is_alive "$TX/holder"; then
		decide_rollback "the session ended before apply began"
		return 1
	fi
	supervise_ready
	return 1
}

# `ready` is the supervisor's word, durable, with the start tick of a process forked now: only a connection that
# was accepted later than this may confirm.
supervise_ready() {
	read_mark passed || return 0
	! read_mark ready || return 0
	# shellcheck disable=SC2016,SC2086 # expanded by that shell; SH may be two words
	sr_tick=$($SH -c 'read -r s </proc/self/stat; s=${s##*") "}; set -- $s; shift 19; echo "$1"')
	mark ready "$sr_tick" || return 0
	read_now
	journal "ready left=$(((DEADLINE - NOW) / 100))"
}
