# shellcheck shell=sh
# Confirming: needs the token (on stdin), the plan's digest, `ready`, and a connection opened after it.

# Opens a transaction for whoever brings its token, on stdin; says no otherwise.
open_by_token() {
	IFS= read -r obt_token || obt_token=
	if ! open_tx "$1"; then
		deny unknown_transaction "this host knows of no transaction $1"
		return 1
	fi
	# With its newline: mksh has no printf of its own, and an argument could be read by anybody.
	obt_sum=$(put "$obt_token" | sha256sum)
	if [ -z "$SPEC_token" ] || [ "${obt_sum%% *}" != "$SPEC_token" ]; then
		deny bad_token "the token is not this transaction's"
		return 1
	fi
}

# confirm ID DIGEST [COUNT]: despite so many red checks, which stand behind the token.
verb_confirm() {
	open_by_token "$1" || return 0
	read_despite "${3:-0}"
	read_state
	case $STATE in
	confirmed)
		tell "confirmed already=1"
		tell end
		;;
	confirming) confirm_through ;;
	ready) confirm_ready "$2" ;;
	locked | armed | applying | applied) deny not_ready "the host is not ready to be confirmed ($STATE)" ;;
	*) deny too_late "the host is $STATE" ;;
	esac
}

# knock ID: this connection got in, and it is as fresh as one that confirms. It decides nothing.
verb_knock() {
	open_by_token "$1" || return 0
	read_state
	case $STATE in
	ready) ;;
	locked | armed | applying | applied) deny not_ready "the host is not ready to be confirmed ($STATE)" && return ;;
	*) deny too_late "the host is $STATE" && return ;;
	esac
	if confirm_fresh; then
		tell let_in
		tell end
	fi
}

confirm_ready() {
	may_confirm "$1" && confirm_decide
}

# may_confirm DIGEST: whether this connection may confirm a host that is ready; says why not otherwise.
may_confirm() {
	if [ "$1" != "$SPEC_digest" ]; then
		deny wrong_digest "this confirms another plan"
		return 1
	fi
	confirm_tools && confirm_fresh && weigh_red
}

# What the guard was copied from before the change must still be there: a host without it could not be guarded the next
# time, and may not be reached by then. A change that takes these tools away is undone, whatever the checks say.
confirm_tools() {
	[ -s "$TX/rescue" ] && IFS= read -r ct_rescue <"$TX/rescue" && [ -f "$ct_rescue/tools.sh" ] || return 0
	while IFS=' (' read -r ct_tool _; do
		case $ct_tool in *[!a-z0-9]*) continue ;; esac
		# Not `command -v`: where the copies are in use it finds those.
		find_program "$ct_tool" && continue
		deny tool_gone "$ct_tool is gone from this host: without it the next change could not be guarded"
		return 1
	done <"$ct_rescue/tools.sh"
}

# deny REASON TEXT: an answer, not an error.
deny() {
	vd_reason=$1
	shift
	tell "denied reason=$vd_reason -- $*"
	tell end
}

# The connection must be younger than `ready` and not the one that armed: an old line proves nothing.
confirm_fresh() {
	read_mark ready
	cf_ready=$MARK
	if ! read_connection; then
		deny stale_connection "no sshd or dropbear was found above this session"
		return 1
	fi
	IFS= read -r cf_arming <"$TX/arming_connection"
	if [ "$CONNECTION" = "$cf_arming" ] || [ $((${CONNECTION#*:} - cf_ready)) -le 0 ]; then
		deny stale_connection "this connection was opened before the host was ready, so it proves nothing"
		return 1
	fi
}

# The deadline has passed: decides for rollback. Succeeds when it was extended at this very moment, and so has not.
lose_to_deadline() {
	! decide_rollback "$1" "$DEADLINE_TURN" && [ -z "$DECISION" ] && rm -f "$TX/cause" && return 0
	wake "$TX/supervisor"
	[ "$DECISION" != confirm ] || {
		deny too_late "the host has been confirmed"
		return 1
	}
	deny too_late "the deadline has passed; the host is being rolled back"
	return 1
}

confirm_decide() {
	read_now
	if ! read_deadline || [ $((NOW - DEADLINE)) -ge 0 ]; then
		lose_to_deadline "the confirmation came after the deadline" || return 0
	fi
	if ! write_candidate "candidate.confirm.$$" "confirm $CONNECTION$RED_TOLD"; then
		deny no_space "the confirmation could not be written"
		return
	fi
	cn_turn=
	until take_turn "candidate.confirm.$$"; do
		read_decision
		case $DECISION in
		confirm) break ;;
		rollback)
			deny too_late "the host is being rolled back"
			return
			;;
		esac
		# Lost to an extension, nothing is decided yet: the next turn is as good. The same one again can't be written.
		if [ "$TURN" = "$cn_turn" ]; then
			deny no_space "the confirmation could not be written"
			return
		fi
		cn_turn=$TURN
	done
	confirm_through
}

# Carries the confirmation out, or waits for whoever does; says `confirmed` only when that is durable.
confirm_through() {
	ct_left=30
	until read_mark 'done'; do
		carry_out && continue
		ct_left=$((ct_left - 1))
		if [ "$ct_left" -le 0 ]; then
			tell "confirming -- decided, but not carried out yet"
			tell end
			return
		fi
		nap 100
	done
	wake "$TX/supervisor"
	tell "confirmed already=0"
	tell end
}
