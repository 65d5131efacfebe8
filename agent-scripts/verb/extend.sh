# shellcheck shell=sh
# Extending: moves the deadline, never past the hard cap. It takes a turn like any decision, so that of an extension, a
# confirmation and the deadline's passing at the same moment exactly one has it.

# extend ID SECONDS [DIGEST]: needs the token (on stdin) and a connection opened after the guard was armed. With the
# plan's digest all is asked for that a confirmation needs, so that who is told yes could have confirmed.
verb_extend() {
	open_by_token "$1" || return 0
	is_seconds "$2" || give_up "'$2' is no number of seconds"
	read_state
	case $STATE in
	ready) extend_ready "${3:-}" && extend_decide "$2" ;;
	armed | applying | applied)
		if [ -n "${3:-}" ]; then
			deny not_ready "the host is not ready to be confirmed ($STATE)"
		else
			extend_fresh && extend_decide "$2"
		fi
		;;
	locked) deny not_armed "the guard is not armed yet" ;;
	*) deny too_late "the host is $STATE" ;;
	esac
}

extend_ready() {
	if [ -n "$1" ]; then may_confirm "$1"; else extend_fresh; fi
}

# The line that armed may be all that is left of a controller; one opened since then shows that somebody gets in.
extend_fresh() {
	ef_tick=
	[ ! -s "$TX/supervisor" ] || read -r _ ef_tick _ <"$TX/supervisor"
	IFS= read -r ef_arming <"$TX/arming_connection"
	if ! read_connection; then
		deny stale_connection "no sshd or dropbear was found above this session"
		return 1
	fi
	if [ -z "$ef_tick" ] || [ "$CONNECTION" = "$ef_arming" ] || [ $((${CONNECTION#*:} - ef_tick)) -le 0 ]; then
		deny stale_connection "this connection was opened before the guard was armed, so it proves nothing"
		return 1
	fi
}

extend_decide() {
	xd_by=$1
	read_now
	if ! read_deadline || [ $((NOW - DEADLINE)) -ge 0 ]; then
		lose_to_deadline "the extension came after the deadline" || return 0
		read_deadline || return 0
	fi
	xd_room=$(((CAP - DEADLINE) / 100))
	if [ "$xd_room" -le 0 ]; then
		deny at_cap "the host may stay armed for $SPEC_hard_cap s in all, and its deadline is there already"
		return
	fi
	[ "$xd_by" -le "$xd_room" ] || xd_by=$xd_room
	# Its own name each time: the one that wins is the turn, and must never be written again.
	if ! write_candidate "candidate.extend.$$.$NOW" "extend $xd_by"; then
		deny no_space "the extension could not be written"
		return
	fi
	# Taken by another extension meanwhile: the one after it is as good. The same one again can't be written.
	xd_turn=
	until take_turn "candidate.extend.$$.$NOW"; do
		read_decision
		if [ -n "$DECISION" ]; then
			deny too_late "the host is $DECISION"
			return
		fi
		if [ "$TURN" = "$xd_turn" ]; then
			deny no_space "the extension could not be written"
			return
		fi
		xd_turn=$TURN
	done
	extend_done
}

extend_done() {
	read_now
	read_deadline
	journal "extended by=$xd_by left=$(((DEADLINE - NOW) / 100))"
	tell "extended by=$xd_by left=$(((DEADLINE - NOW) / 100))"
	tell end
}
