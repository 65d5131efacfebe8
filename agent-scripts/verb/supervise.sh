# shellcheck shell=sh
# The supervisor: waits, decides, undoes. It owns no ssh pipe and TERM is never a decision: it just ends, and
# whoever finds the transaction without a living supervisor undoes it.

verb_supervise() {
	open_tx "$1" || exit 0
	trap '' HUP PIPE
	if [ -s "$TX/supervisor" ]; then
		# A second life: the first one ended without finishing, so the one rule applies.
		# It stays until all is over: whoever carries it out may die as well.
		resolve restart
	else
		take_name "$TX/supervisor" || exit 1
		wake "$TX/holder"
	fi
	# A record without its job is one that is being removed, unless it still holds the lock.
	while [ -d "$TX/job" ] || { read_current && [ "$CURRENT" = "$ID" ]; }; do
		supervise_once
		case $? in
		0) break ;;
		2) continue ;;
		esac
		read_now
		if [ -z "$DECISION" ] && read_deadline && [ "$DEADLINE" -gt "$NOW" ]; then nap $((DEADLINE - NOW)); else nap 100; fi
	done
	guard_stop
	clean_up
	exit 0
}

# One look at the record; returns 0 when all is over, 1 to look again later, 2 to look again now.
supervise_once() {
	if read_mark 'done'; then
		# Whoever is asked last tidies up.
		! is_rechecked
		return
	fi
	read_decision
	if [ -n "$DECISION" ]; then
		carry_out
		# A confirmation that another process carries out is watched until it is through.
		read_mark 'done' || { [ "$DECISION" = rollback ] && read_mark undo_failed; }
		return
	fi
	if read_mark failed; then
		decide_now "$MARK"
		return
	fi
	read_now
	if ! read_deadline; then
		decide_now "the record of the arming is not of this boot"
		return
	fi
	if [ $((NOW - DEADLINE)) -ge 0 ]; then
		supervise_expired
		return
	fi
	if ! [ -f "$TX/go" ] && ! is_alive "$TX/holder"; then
		decide_now "the session ended before apply began"
		return
	fi
	if is_runner_lost; then
		decide_now "the runner ended before its work was done"
		return
	fi
	supervise_ready
	return 1
}

# The deadline has passed; 2 when it is decided or was extended at this very moment.
supervise_expired() {
	se_more=
	[ "$EXTENDED" = 0 ] || se_more=", extended by $EXTENDED s"
	se_cause="apply did not end within $SPEC_apply_timeout s$se_more"
	! read_mark applied || se_cause="not confirmed within $SPEC_window s after apply$se_more"
	decide_expired "$se_cause" || [ "$TURN" != "$de_turn" ] || return 1
	return 2
}

# Decides; 2 when that stands, 1 when it could not be written down and is tried again later.
decide_now() {
	decide_rollback "$1" || return 1
	return 2
}

# Whether the runner was there and is gone without a word. Looked at in this order, its last word can't be missed.
is_runner_lost() {
	if [ -s "$TX/runner" ]; then
		! is_alive "$TX/runner" && ! read_mark passed && ! read_mark failed
		return
	fi
	# Told to go ten seconds ago, and never seen.
	IFS= read -r ir_go 2>/dev/null <"$TX/go" || return 1
	[ "$NOW" -gt $((${ir_go:-0} + 1000)) ] && ! read_mark failed
}

# `ready` is the supervisor's word, durable, with the start tick of a process forked now: only a connection that
# was accepted later than this may confirm.
supervise_ready() {
	read_mark passed || return 0
	! read_mark ready || return 0
	sr_tick=$(forked_tick)
	mark ready "$sr_tick" || return 0
	# A connection opened within the same tick (10 ms) would look too old, so nobody is told before it is over.
	rest 1
	read_now
	journal "ready left=$(((DEADLINE - NOW) / 100))"
}

# The start tick of the subshell that this runs in.
forked_tick() {
	read_stat self && put "$STAT_TICK"
}
