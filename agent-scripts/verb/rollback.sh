# shellcheck shell=sh
# Rolling back on somebody's word, and accepting a host that could not be rolled back whole.

# rollback ID CAUSE: decides, wakes whoever undoes, and follows to the end. ID may be "current".
verb_rollback() {
	vr_id=$1
	if [ "$1" = current ]; then
		read_current || {
			tell "untouched -- nothing is pending on this host"
			tell end
			return
		}
		vr_id=$CURRENT
	fi
	shift
	if ! open_tx "$vr_id"; then
		tell "untouched -- this host knows of no transaction $vr_id"
		tell end
		return
	fi
	JOB=$TX/job
	vr_from=$(wc -l <"$TX/journal" 2>/dev/null || echo 0)
	if ! read_mark armed && ! read_mark 'done'; then
		is_alive "$TX/holder" && kill -TERM "$ALIVE_PID" 2>/dev/null
		discard_quietly
	elif ! read_mark 'done'; then
		decide_rollback "${*:-asked for by hand}"
		retry_undo
	fi
	follow_journal "$((vr_from))" 'done'
	tell end
}

# On a host whose rollback failed only what is still broken is done again.
retry_undo() {
	if read_mark undo_failed && ! carrier_alive; then
		rm -f "$TX/undo_failed"
		durable "$TX"
		guard_detach resolve "$ID"
		return
	fi
	wake "$TX/supervisor"
	resolve contact
}

# accept: a person has looked at a host whose rollback failed and takes it as it is.
verb_accept() {
	read_current && open_tx "$CURRENT" || {
		tell "untouched -- nothing is pending on this host"
		tell end
		return
	}
	read_state
	if [ "$STATE" != rollback_failed ]; then
		deny not_failed "the host is $STATE, not rollback_failed"
		return
	fi
	finish accepted
	tell "accepted tx=$ID"
	tell end
}
