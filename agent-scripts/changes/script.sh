# shellcheck shell=sh
# The kind "script": the user's own commands, with an undo of their own or with paths that the guard puts back.

# Runs facts, then unless. Tells whether all is as wanted already.
script_inspect() {
	si_dir=$JOB/c/$1
	read_change "$1"
	true >"$si_dir/facts"
	if has_command "$si_dir/cmd.facts"; then
		run_step "$1" "$si_dir/cmd.facts" "$CHANGE_TIMEOUT" "$si_dir/facts.out"
		si_code=$?
		if [ "$si_code" -ne 0 ]; then
			WHY="facts of change '$CHANGE_NAME': $(step_reason "$si_code" "$CHANGE_TIMEOUT" "$si_dir/facts.out")"
			return 1
		fi
		grep -E '^[A-Za-z_][A-Za-z0-9_]*=' "$si_dir/facts.out" >"$si_dir/facts"
	fi
	si_wanted=0
	if has_command "$si_dir/cmd.unless"; then
		run_step "$1" "$si_dir/cmd.unless" "$CHANGE_TIMEOUT" "$si_dir/unless.out" && si_wanted=1
	fi
	put "$si_wanted" >"$si_dir/wanted"
	report "script n=$1 wanted=$si_wanted"
}

# A watched tree that changes while it is copied is copied again, up to three times.
script_snapshot() {
	ss_dir=$JOB/c/$1
	[ -s "$ss_dir/watch" ] || return 0
	cat "$ss_dir/watch" >"$ss_dir/roots"
	no_broken_names "$ss_dir/roots" || return 1
	ss_tries=3
	while [ "$ss_tries" -gt 0 ]; do
		script_paths "$ss_dir"
		WHY="the watched paths could not be copied"
		take_snapshot "$1" || return 1
		list_paths "$ss_dir/again" <"$ss_dir/paths" || return 1
		compare_listings "$ss_dir/paths" "$ss_dir/before" "$ss_dir/again" >"$ss_dir/moved"
		[ -s "$ss_dir/moved" ] || return 0
		rm -rf "$ss_dir/snap"
		ss_tries=$((ss_tries - 1))
	done
	IFS=/ read -r _ ss_path <"$ss_dir/moved"
	WHY="/$ss_path is watched and does not hold still: it is changed all the time"
	return 1
}

# The watched trees, and the directories they lie in, which get their times back.
script_paths() {
	while IFS= read -r sp_root; do
		walk_trees "$sp_root"
		sp_above=${sp_root%/*}
		[ ! -d "$sp_above" ] || put "$sp_above"
	done <"$1/roots" | LC_ALL=C sort -u >"$1/paths"
}

script_apply() {
	sa_dir=$JOB/c/$1
	read_change "$1"
	true >"$sa_dir/output"
	run_step "$1" "$sa_dir/cmd.apply" "$CHANGE_TIMEOUT" "$sa_dir/apply.out"
	sa_code=$?
	journal_output "$CHANGE_NAME" "$sa_dir/apply.out"
	# What the step acquired must be there for its undo after a power cut.
	[ ! -s "$sa_dir/output" ] || durable "$sa_dir/output" "$sa_dir"
	[ "$sa_code" -eq 0 ] && return 0
	WHY=$(step_reason "$sa_code" "$CHANGE_TIMEOUT" "$sa_dir/apply.out")
	return 1
}

# Watched paths first, then the user's rollback, which may rely on them.
script_undo() {
	restore_bounded "$1" "$2"
	su_code=$?
	[ "$2" != mounted ] || return "$su_code"
	su_dir=$JOB/c/$1
	read_change "$1"
	if ! has_command "$su_dir/cmd.rollback"; then
		[ -f "$su_dir/roots" ] || journal "warning -- '$CHANGE_NAME' can't be undone: what it did stays"
		return "$su_code"
	fi
	# A rollback that worked isn't run twice; the paths are compared again each time.
	[ ! -e "$TX/undone.$1" ] || return "$su_code"
	run_step "$1" "$su_dir/cmd.rollback" "$CHANGE_TIMEOUT" "$su_dir/rollback.out"
	su_code=$?
	journal_output "$CHANGE_NAME.rollback" "$su_dir/rollback.out"
	if [ "$su_code" -ne 0 ]; then
		WHY="rollback: $(step_reason "$su_code" "$CHANGE_TIMEOUT" "$su_dir/rollback.out")"
		return 1
	fi
	true >"$TX/undone.$1"
	# The rollback's word and the verification decide, so the paths are looked at once more.
	restore_bounded "$1" all
}
