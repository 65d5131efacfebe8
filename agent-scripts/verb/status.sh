# shellcheck shell=sh
# Telling what is: the open transaction, the last one, and the journal of either.

# Tells the open transaction, if there is one. Sets PENDING_ID.
tell_pending() {
	PENDING_ID=
	read_current || return 0
	(
		open_tx "$CURRENT" || {
			tell "pending tx=$CURRENT state=locked age=0 left=- owner=unknown -- its record can't be read"
			exit 0
		}
		read_state
		read_now
		tp_left=-
		case $STATE in
		armed | applying | applied | ready)
			if read_deadline; then
				tp_left=$(((DEADLINE - NOW) / 100))
				[ "$tp_left" -ge 0 ] || tp_left=0
			fi
			;;
		esac
		tp_age=$(($(date -u +%s) - $(stat -c %Y "$TX/holder")))
		tell "pending tx=$ID state=$STATE age=$tp_age left=$tp_left over_in=$(over_in) owner=$SPEC_owner branch=$SPEC_branch url=$SPEC_url -- $SPEC_comment"
		case $STATE in
		rollback_failed) tell_items pending_item ;;
		armed | applying | applied | ready) tell_red ;;
		esac
	)
	PENDING_ID=$CURRENT
}

# What its undo left broken.
tell_items() {
	[ -s "$TX/broken" ] || return 0
	while IFS= read -r ti_line; do
		tell "$1 ok=0 -- $ti_line"
	done <"$TX/broken"
}

verb_status() {
	contact
	tell_host
	tell_pending
	tell_lease ''
	tell_last
	tell end
}

# The newest transaction that is over.
tell_last() {
	tl_newest=
	for tl_dir in "$STATE_DIR"/tx/*/; do
		[ -f "${tl_dir}done" ] && tl_newest=$tl_dir
	done
	[ -n "$tl_newest" ] || return 0
	tl_newest=${tl_newest%/}
	tl_age=$(($(date -u +%s) - $(stat -c %Y "$tl_newest/done")))
	(
		open_tx "${tl_newest##*/}" || exit 0
		read_mark 'done' || exit 0
		tell "last tx=$ID result=$MARK age=$tl_age owner=$SPEC_owner -- $SPEC_comment"
		tell_items last_item
	)
}

# follow ID FROM UNTIL: tells the journal from line FROM+1 on, until the transaction is ready (UNTIL = ready) or
# over. Lines carry their number, so that a reader who lost the line goes on where it was.
verb_follow() {
	if ! open_or_bar "$1"; then
		tell "untouched -- this host knows of no transaction $1"
		tell end
		return
	fi
	follow_journal "$2" "$3"
	tell end
}

follow_journal() {
	fj_line=0 fj_from=$1 fj_until=$2 fj_round=0 fj_over=
	take_name "$TX/follower.$$"
	# bash would tell here that a child of ours was killed.
	exec 2>/dev/null
	true >>"$TX/journal"
	exec 3<"$TX/journal"
	while :; do
		# What is over was so before its last line was looked for.
		fj_ended=
		! is_over || fj_ended=1
		follow_lines
		[ -z "$fj_over" ] || break
		if [ -n "$fj_ended" ]; then
			follow_record
			break
		fi
		# Somebody must be there to decide: a contact resolves what has no living supervisor.
		fj_round=$((fj_round + 1))
		[ $((fj_round % 3)) -ne 0 ] || resolve contact
		nap 100
	done
	exec 3<&-
}

follow_lines() {
	while IFS= read -r fj_text <&3; do
		fj_line=$((fj_line + 1))
		[ "$fj_line" -gt "$fj_from" ] || continue
		tell "j $fj_line $fj_text"
		case $fj_text in
		"ready "*) [ "$fj_until" != ready ] || fj_over=1 ;;
		confirmed | "rolled_back "* | "rollback_failed "* | discarded) fj_over=1 ;;
		esac
	done
}

# Whether nobody will write to the journal any more: it is over, and who carried it out has ended.
is_over() {
	[ -d "$TX" ] || return 0
	read_mark 'done' || read_mark undo_failed || return 1
	! carrier_alive
}

# A journal without a new end line whose transaction is over all the same: the reader has heard it already, or a
# power cut came between the record and the line.
follow_record() {
	if ! [ -d "$TX" ]; then
		tell "untouched -- the record of $ID is gone"
		return
	fi
	read_state
	fj_cause=
	[ ! -s "$TX/cause" ] || IFS= read -r fj_cause <"$TX/cause"
	case $STATE in
	confirmed | discarded) tell "j $fj_line $STATE" ;;
	rolled_back) tell "j $fj_line rolled_back late_ms=0 healthy=unknown -- $fj_cause" ;;
	rollback_failed) tell "j $fj_line rollback_failed -- $fj_cause" ;;
	*) tell "untouched -- the transaction $ID is over: $STATE" ;;
	esac
}
