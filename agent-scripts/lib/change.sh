# shellcheck shell=sh
# Changes of any kind: the same six questions, answered by functions KIND_inspect, _snapshot, _apply, _undo.

# Sets CHANGE_KIND, CHANGE_NAME, CHANGE_TIMEOUT (seconds) of change $1.
read_change() {
	CHANGE_KIND='' CHANGE_NAME=change-$1 CHANGE_TIMEOUT=300
	while read -r rch_key rch_value; do
		case $rch_key in
		kind) CHANGE_KIND=$rch_value ;;
		name) CHANGE_NAME=$rch_value ;;
		timeout) CHANGE_TIMEOUT=$rch_value ;;
		esac
	done <"$JOB/c/$1/spec"
	case $CHANGE_KIND in files | script | revert) return 0 ;; esac
	WHY="change '$CHANGE_NAME' is of a kind this agent doesn't know"
	return 1
}

# A line of the inspection: told to the controller, and part of what the plan's digest covers.
report() {
	put "$*" >>"$REPORT"
	[ "$REPORT_ALOUD" = 0 ] || tell "$*"
}

# Inspects all changes; sets STATE_DIGEST over everything that was found, REPLACED_KIB and
# REPLACED_COUNT.
inspect_changes() {
	true >"$REPORT"
	REPLACED_KIB=0 REPLACED_COUNT=0
	ich_n=0
	while [ "$ich_n" -lt "$SPEC_changes" ]; do
		read_change "$ich_n" && "${CHANGE_KIND}_inspect" "$ich_n" || return 1
		ich_n=$((ich_n + 1))
	done
	STATE_DIGEST=$(sha256sum <"$REPORT") && STATE_DIGEST=${STATE_DIGEST%% *}
}

# Whether change $1 has anything to do.
change_is_due() {
	case $CHANGE_KIND in
	files) [ -s "$JOB/c/$1/differ" ] || [ -s "$JOB/c/$1/delete" ] ;;
	*) IFS= read -r cid_wanted <"$JOB/c/$1/wanted" && [ "$cid_wanted" = 0 ] ;;
	esac
}

# Runs the pending handlers, one each however often they were asked for. On the way there the first that fails
# stops; on the way back ($1 = go_on) each failure is told, the rest run, and none that worked runs again.
run_handlers() {
	rh_code=0
	for rh_name in $PENDING; do
		if [ "$1" = go_on ]; then
			is_handler_due "$rh_name" || continue
			HANDLERS_TRIED="$HANDLERS_TRIED $rh_name "
		else
			true >"$TX/ran.$rh_name"
		fi
		# A change's `timeout` bounds each of its handlers; the last one read is as good as any.
		run_step "" "$JOB/h/$rh_name" "$CHANGE_TIMEOUT" "$TX/handler.out"
		rh_step=$?
		journal_output "handler" "$TX/handler.out"
		if [ "$rh_step" -ne 0 ]; then
			read_handler_title "$rh_name"
			WHY="handler '$HANDLER_TITLE': $(step_reason "$rh_step" "$CHANGE_TIMEOUT" "$TX/handler.out")"
			rh_code=1
			[ "$1" = go_on ] || return 1
			item_broken "$WHY"
		elif [ "$1" = go_on ]; then
			true >"$TX/undone.$rh_name"
		fi
	done
	PENDING=
	return "$rh_code"
}

# On the way back: once in each pass, until it has worked, and only if it may have loaded what is gone again.
is_handler_due() {
	[ ! -e "$TX/undone.$1" ] || return 1
	[ -n "$ALL_HANDLERS" ] || [ -e "$TX/ran.$1" ] || return 1
	case $HANDLERS_TRIED in *" $1 "*) return 1 ;; esac
}

read_handler_title() {
	HANDLER_TITLE=$1
	[ ! -f "$JOB/h/$1.title" ] || IFS= read -r HANDLER_TITLE <"$JOB/h/$1.title"
}

# Adds change $1's handlers to those pending.
await_handlers() {
	[ -f "$JOB/c/$1/handlers" ] || return 0
	while IFS= read -r ah_name; do
		case " $PENDING " in *" $ah_name "*) ;; *) PENDING="$PENDING $ah_name" ;; esac
	done <"$JOB/c/$1/handlers"
}
