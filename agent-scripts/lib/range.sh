# shellcheck shell=sh
# Which transactions lie between a run and now, and whether one can go back over them.

# Prints "PLACE FLEET KIND HELD ID" for each transaction of the history, newest first.
list_history() {
	for lh_dir in "$STATE_DIR"/tx/*/; do
		lh_dir=${lh_dir%/}
		! read_held "$lh_dir" || put "$PLACE $PLACE_FLEET $PLACE_KIND $HELD ${lh_dir##*/}"
	done | LC_ALL=C sort -rn
}

# choose_runs RUN DIR: writes DIR/range (ids of the fleet's transactions at or after RUN, newest first) and
# DIR/between (those of other fleets since). Fails, with WHY, where one can't go back to before RUN.
choose_runs() {
	list_history >"$2/history"
	true >"$2/range"
	true >"$2/between"
	find_first "$1" "$2/history" || return 1
	[ -n "$FIRST" ] || return 0
	# shellcheck disable=SC2094 # it is read again
	while read -r cr_place cr_fleet cr_kind cr_held cr_id; do
		[ "$cr_place" -ge "$FIRST" ] || continue
		if [ "$cr_fleet" != "$SPEC_fleet" ]; then
			put "$cr_id $cr_fleet" >>"$2/between"
			continue
		fi
		may_pass "$2/history" || return 1
		put "$cr_id" >>"$2/range"
	done <"$2/history"
}

# is_alone RUN HISTORY: whether going back undoes RUN and no later run of the fleet. Rollbacks don't count: they have
# undone what they could of it.
is_alone() {
	WHY="this host holds nothing of run $1"
	while read -r _ ia_fleet ia_kind _ ia_id; do
		[ "$ia_fleet" = "$SPEC_fleet" ] && [ "$ia_kind" = run ] || continue
		if [ "$ia_id" = "$1" ]; then
			WHY=
			return 0
		fi
		WHY="run $ia_id has changed this host since: going back to before run $1 would undo that as well"
		return 1
	done <"$2"
	return 1
}

# Sets FIRST to the place of the first transaction to go back over: RUN's, or where RUN changed nothing here, that of
# the next one. Nothing: there is none.
find_first() {
	FIRST=
	while read -r ff_place ff_fleet ff_kind ff_held ff_id; do
		if [ "$ff_id" = "$1" ]; then
			may_be_goal "$1" || return 1
			FIRST=$ff_place
			return 0
		fi
	done <"$2"
	read_freed "$SPEC_fleet"
	if [ -n "$FREED" ] && sorts_before "$1" "$FREED"; then
		WHY="this host can't go back to before run $1: it no longer keeps run $FREED ([history] keep says how many)"
		return 1
	fi
	while read -r ff_place ff_fleet ff_kind ff_held ff_id; do
		[ "$ff_fleet" = "$SPEC_fleet" ] && sorts_before "$1" "$ff_id" || continue
		FIRST=$ff_place
	done <"$2"
}

may_be_goal() {
	if [ "$ff_fleet" != "$SPEC_fleet" ]; then
		WHY="run $1 is of the fleet '$ff_fleet', and this is '$SPEC_fleet': roll it back from its own fleet file"
	elif [ "$ff_kind" = rollback ]; then
		WHY="run $1 is itself a rollback: to have again what it undid, deploy that"
	elif [ "$ff_held" = freed ]; then
		WHY="this host no longer keeps run $1"
	else
		return 0
	fi
	return 1
}

# Whether one can go back over the transaction that was just read.
may_pass() {
	case $cr_held in
	freed)
		WHY="run $cr_id lies between, and this host no longer keeps what it takes to undo it"
		return 1
		;;
	accepted)
		WHY="run $cr_id lies between: its rollback failed and was accepted as it was, so the state before it isn't known to come back"
		return 1
		;;
	esac
	[ "$cr_kind" = rollback ] || return 0
	while IFS= read -r mp_run; do
		while read -r mp_place _ _ _ mp_id; do
			[ "$mp_id" != "$mp_run" ] || [ "$mp_place" -ge "$FIRST" ] || {
				WHY="the rollback $cr_id lies between and went back further, to before run $mp_run: deploy what you want instead"
				return 1
			}
		done <"$1"
	done <"$STATE_DIR/tx/$cr_id/job/c/0/runs"
}

# Prints the ids of all runs that a confirmed rollback has undone.
list_undone() {
	for lu_file in "$STATE_DIR"/tx/*/job/c/0/runs; do
		[ -f "$lu_file" ] && [ -f "${lu_file%/job/c/0/runs}/done" ] || continue
		! read_held "${lu_file%/job/c/0/runs}" || [ "$HELD" = accepted ] || cat "$lu_file"
	done
}
