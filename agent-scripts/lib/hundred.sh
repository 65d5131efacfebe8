# shellcheck shell=sh
# Long lists, a hundred at a time. They are walked as words and not with `read`, which is a system call for each byte.

WORDS=$IFS

# From here on a list that isn't quoted is split at its newlines alone, and nothing in it is a pattern.
split_on_lines() {
	IFS=$NL
	set -f
}

split_on_words() {
	IFS=$WORDS
	set +f
}

# Sets ROWS to those of a file, to be walked with split_on_lines. What is split is split before a loop's first round,
# so its body may call split_on_words.
read_lines() {
	read_rows <"$1"
}

# The same from stdin.
read_rows() {
	ROWS='' rl_left=100
	# A short list shall cost no process.
	while [ "$rl_left" -gt 0 ] && IFS= read -r rl_line; do
		ROWS=$ROWS$rl_line$NL
		rl_left=$((rl_left - 1))
	done
	[ "$rl_left" -gt 0 ] || ROWS=$ROWS$(cat)
}

# Prints the paths of a file of lines "META/path".
listed_paths() {
	read_lines "$1"
	split_on_lines
	for po_line in $ROWS; do put "/${po_line#*/}"; done
	split_on_words
}

# Calls FUNCTION DEST PREFIX+PATH... for the paths on stdin. One with a newline in it comes alone: in what a tool says
# of many it could not be told apart; as ODD_FUNCTION LINE, if there is one. Goes on past a failure and tells it.
in_chunks() {
	ic_function=$1 ic_dest=$2 ic_prefix=$3 ic_odd=${4:-}
	ic_code=0 ic_count=0 ic_chunk=''
	read_rows
	split_on_lines
	# shellcheck disable=SC2086 # lines, split on purpose
	set -- $ROWS
	split_on_words
	for ic_path do
		add_to_chunk "$ic_path"
		[ "$ic_count" -lt 100 ] || call_chunk
	done
	call_chunk
	return "$ic_code"
}

add_to_chunk() {
	case $1 in
	*"$ODD"*)
		call_chunk
		if [ -n "$ic_odd" ]; then
			"$ic_odd" "$1" || ic_code=1
		else
			real "$1"
			"$ic_function" "$ic_dest" "$ic_prefix$REAL" || ic_code=1
		fi
		;;
	*)
		ic_chunk=$ic_chunk$ic_prefix$1$NL
		ic_count=$((ic_count + 1))
		;;
	esac
}

call_chunk() {
	[ "$ic_count" -gt 0 ] || return 0
	split_on_lines
	# shellcheck disable=SC2086 # paths, split on purpose
	set -- $ic_chunk
	split_on_words
	ic_count=0 ic_chunk=''
	"$ic_function" "$ic_dest" "$@" || ic_code=1
}

# Calls FUNCTION LINE for each line on stdin, as it stands there.
each_line() {
	in_chunks call_each "$1" "" "$1"
}

call_each() {
	ce_function=$1
	shift
	for ce_line do "$ce_function" "$ce_line"; done
}
