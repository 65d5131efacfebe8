# shellcheck shell=sh
# Who decides, and who carries it out. Both are chains of files that are each hard-linked exactly once: ln is the
# one primitive that had one winner in every shell measured (busybox mv -n let both win).

# Sets DECISION to confirm, rollback or nothing, TURN to the number of the turn that is open, and EXTENDED to the
# seconds by which the turns before it have moved the deadline.
# A turn whose content is none of ours is a rollback: missing, stale or foreign is never a confirmation.
read_decision() {
	DECISION=
	TURN=1
	EXTENDED=0
	while [ -e "$TX/turn.$TURN" ] || [ -L "$TX/turn.$TURN" ]; do
		rdn_word=
		if [ -f "$TX/turn.$TURN" ] && ! [ -L "$TX/turn.$TURN" ]; then
			read -r rdn_word rdn_by _ <"$TX/turn.$TURN" || rdn_word=
		fi
		case $rdn_word in
		confirm) DECISION=confirm ;;
		extend)
			if is_seconds "$rdn_by"; then
				EXTENDED=$((EXTENDED + rdn_by))
				# No cap is longer than ten days, and mksh counts in 32 bits.
				[ "$EXTENDED" -le 999999 ] || EXTENDED=999999
				TURN=$((TURN + 1))
				continue
			fi
			DECISION=rollback
			;;
		*) DECISION=rollback ;;
		esac
		# Whoever sees a decision makes it durable before acting on it or telling it; once is enough.
		[ "$DURABLE_TX" = "$TX" ] || { durable "$TX" && DURABLE_TX=$TX; }
		return 0
	done
	return 0
}

# Writes a candidate for a decision, durable before it can win.
write_candidate() {
	put "$2" >"$TX/$1" && durable "$TX/$1" "$TX"
}

# Whether a word is a number of seconds as we write it: no sign, no zero in front (an octal number to some shells).
is_seconds() {
	case $1 in
	'' | 0* | *[!0-9]* | ???????*) return 1 ;;
	esac
}

# Tries to take the open turn with a candidate. Succeeds only if this very candidate won. With a second argument only
# that turn is taken: who found the deadline passed must not undo what was extended meanwhile.
take_turn() {
	tt_candidate=$TX/$1
	read_decision
	[ -z "$DECISION" ] && [ "$TURN" = "${2:-$TURN}" ] || return 1
	ln "$tt_candidate" "$TX/turn.$TURN" 2>/dev/null
	durable "$TX" && DURABLE_TX=$TX
	[ -f "$TX/turn.$TURN" ] && ! [ -L "$TX/turn.$TURN" ] && [ "$TX/turn.$TURN" -ef "$tt_candidate" ]
}

# Decides for rollback; the cause goes to its own file first, so that the candidate written when arming still
# does where nothing more can be written. Returns 0 if the decision is rollback, whoever took it.
decide_rollback() {
	[ -f "$TX/cause" ] || one_line "$1" 2>/dev/null >"$TX/cause"
	# It was written when arming; where somebody has taken it away, there may be room for another.
	if [ -L "$TX/candidate.rollback" ] || ! [ -f "$TX/candidate.rollback" ]; then
		rm -rf "$TX/candidate.rollback"
		write_candidate candidate.rollback rollback 2>/dev/null
	fi
	dr_turn=
	until take_turn candidate.rollback "${2:-}"; do
		read_decision
		# Lost to an extension, nothing is decided yet: the next turn is as good, unless it was to be that one.
		if [ -n "$DECISION" ] || [ -n "${2:-}" ] || [ "$TURN" = "$dr_turn" ]; then
			[ "$DECISION" = rollback ]
			return
		fi
		dr_turn=$TURN
	done
}

# Decides for rollback because the deadline has passed that was read with DEADLINE_TURN. Where that turn went to an
# extension the deadline is another one, and what was written of its passing goes again.
decide_expired() {
	de_turn=$DEADLINE_TURN
	note expired $((NOW - DEADLINE))
	decide_rollback "$1" "$de_turn" && return 0
	[ -n "$DECISION" ] || rm -f "$TX/expired" "$TX/cause"
	return 1
}

# Whether somebody carries the decision out. Sets ca_last to the newest carry, ca_n to the number after it.
carrier_alive() {
	ca_n=1
	ca_last=
	# A link to nowhere is no carrier, and takes a number all the same.
	while [ -e "$TX/carry.$ca_n" ] || [ -L "$TX/carry.$ca_n" ]; do
		ca_last=$TX/carry.$ca_n
		ca_n=$((ca_n + 1))
	done
	[ -n "$ca_last" ] && is_alive "$ca_last"
}

# Becomes the one process that carries the decision out. A dead carrier is followed, never replaced in place.
take_carry() {
	read_identity
	read_now
	# The reserve was kept for this moment: a full disk must not keep the undo from being written down.
	[ "$DECISION" != rollback ] || rm -f "$TX/reserve"
	while :; do
		if carrier_alive; then
			# A second look of the one that carries already.
			[ "$ALIVE_PID" = "$$" ]
			return
		fi
		put "$MY_IDENTITY $NOW" >"$TX/carrier.$$" || return 1
		if ln "$TX/carrier.$$" "$TX/carry.$ca_n" 2>/dev/null && [ "$TX/carry.$ca_n" -ef "$TX/carrier.$$" ]; then
			return 0
		fi
		[ -e "$TX/carry.$ca_n" ] || return 1
	done
}

# Kills whoever carries and hangs.
kill_carrier() {
	carrier_alive || return 0
	# With what it started: an orphan would go on writing beside whoever follows.
	kill_tree "$ALIVE_PID"
	kc_left=50
	while carrier_alive && [ "$kc_left" -gt 0 ]; do
		kc_left=$((kc_left - 1))
		rest 10
	done
}

# Ends the transaction: the record says so durably, and only then the lock is free.
finish() {
	mark 'done' "$1" && release
}

release() {
	panic_disarm
	if { read_current && [ "$CURRENT" = "$ID" ]; } || [ "$STATE_DIR/current" -ef "$TX/lock" ]; then
		# Not made durable: a lock that comes back after a power cut finds `done` and goes again.
		rm -f "$STATE_DIR/current"
	fi
}
