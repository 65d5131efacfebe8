# shellcheck shell=sh
# The kind "script": the user's own commands, with an undo of their own or with paths that the guard puts back.

# Runs facts, then unless. Tells whether all is as wanted already.
script_inspect() {
	si_dir=$JOB/c/$1
	read_change "$1"
	: >"$si_dir/facts"
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
	printf '%s\n' "$si_wanted" >"$si_dir/wanted"
	report "script n=$1 wanted=$si_wanted"
}

script_snapshot() {
	ss_dir=$JOB/c/$1
	[ -s "$ss_dir/watch" ] || return 0
	cp "$ss_dir/watch" "$ss_dir/roots"
	{
		while IFS= read -r ss_root; do
			walk_trees "$ss_root"
			# The directory a watched path lies in gets its time back.
			[ ! -d "${ss_root%/*}" ] || printf '%s\n' "${ss_root%/*}"
		done <"$ss_dir/roots"
	} | LC_ALL=C sort -u | sed '/^$/d' >"$ss_dir/paths"
	while IFS= read -r ss_path; do
		case $ss_path in
		/*) ;;
		*)
			WHY="a watched path holds a newline"
			return 1
			;;
		esac
	done <"$ss_dir/paths"
	take_snapshot "$1"
}

script_apply() {
	sa_dir=$JOB/c/$1
	read_change "$1"
	: >"$sa_dir/output"
	run_step "$1" "$sa_dir/cmd.apply" "$CHANGE_TIMEOUT" "$sa_dir/apply.out"
	sa_code=$?
	journal_output "$CHANGE_NAME" "$sa_dir/apply.out"
	# What the step acquired must be there for its undo after a power cut.
	durable "$sa_dir/output" "$sa_dir"
	[ "$sa_code" -eq 0 ] && return 0
	WHY=$(step_reason "$sa_code" "$CHANGE_TIMEOUT" "$sa_dir/apply.out")
	return 1
}

# Watched paths first, then the user's rollback, which may rely on them.
script_undo() {
	restore_snapshot "$1" "$2"
	su_code=$?
	[ "$2" != mounted ] || return "$su_code"
	su_dir=$JOB/c/$1
	has_command "$su_dir/cmd.rollback" || return "$su_code"
	read_change "$1"
	run_step "$1" "$su_dir/cmd.rollback" "$CHANGE_TIMEOUT" "$su_dir/rollback.out"
	su_code=$?
	journal_output "$CHANGE_NAME.rollback" "$su_dir/rollback.out"
	if [ "$su_code" -ne 0 ]; then
		WHY="rollback: $(step_reason "$su_code" "$CHANGE_TIMEOUT" "$su_dir/rollback.out")"
		return 1
	fi
	# The rollback's word and the verification decide, so the paths are looked at once more.
	restore_snapshot "$1" all
}
