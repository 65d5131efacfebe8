# shellcheck shell=sh
# Rolling back on somebody's word, and accepting a host that could not be rolled back whole.

# rollback ID [FROM]: decides, wakes whoever undoes, and tells the journal from line FROM+1 to the end. ID may be
# "current". The cause is read from stdin, because a word on a command line can't be a sentence. Without FROM it is a
# person who asks: then only what happens from now on is told, and what failed before is tried again.
verb_rollback() {
	vr_id=$1 vr_from=${2:-}
	IFS= read -r vr_cause || vr_cause=
	if [ "$1" = current ]; then
		read_current || {
			tell "untouched -- nothing is pending on this host"
			tell end
			return
		}
		vr_id=$CURRENT
	fi
	if ! open_or_bar "$vr_id"; then
		tell "untouched -- this host knows of no transaction $vr_id"
		tell end
		return
	fi
	if ! read_mark 'done' && ! was_armed; then end_holder; fi
	# It may have armed with its last breath.
	if ! read_mark 'done' && is_unarmed; then
		discard_dead
	elif ! read_mark 'done'; then
		[ -n "$vr_from" ] || count_journal
		decide_rollback "${vr_cause:-asked for by hand}"
		[ -n "${2:-}" ] || retry_undo
		wake "$TX/supervisor"
		resolve contact
	fi
	follow_journal "${vr_from:-0}" 'done'
	tell end
}

# Ends a session that hasn't armed yet.
end_holder() {
	is_alive "$TX/holder" && kill -KILL "$ALIVE_PID" 2>/dev/null
	eh_left=50
	while is_alive "$TX/holder" && [ "$eh_left" -gt 0 ]; do
		rest 10
		eh_left=$((eh_left - 1))
	done
}

# On a host whose rollback failed only what is still broken is done again.
retry_undo() {
	ru_left=50
	while read_mark undo_failed && carrier_alive && [ "$ru_left" -gt 0 ]; do
		# It has failed and is about to end.
		rest 10
		ru_left=$((ru_left - 1))
	done
	if read_mark undo_failed; then
		rm -f "$TX/undo_failed"
		durable "$TX"
		guard_detach resolve "$ID"
	fi
}

count_journal() {
	vr_from=0
	while IFS= read -r _; do vr_from=$((vr_from + 1)); done 2>/dev/null <"$TX/journal"
}

# accept: a person has looked at a host whose rollback failed and takes it as it is.
verb_accept() {
	if ! read_current; then
		tell "untouched -- nothing is pending on this host"
	elif ! open_tx "$CURRENT"; then
		# The record is gone, and with it all that could be undone.
		rm -f "$STATE_DIR/current"
		tell "accepted tx=$CURRENT"
	else
		accept_failed
	fi
	tell end
}

accept_failed() {
	read_state
	if [ "$STATE" = rollback_failed ] && finish accepted; then
		clean_up
		tell "accepted tx=$ID"
	else
		tell "denied reason=not_failed -- the host is $STATE, not rollback_failed"
	fi
}
