# shellcheck shell=sh
# Room on the state's file system: what there is, and what the copies of what will be changed take.

# Sets FREE_KIB of the file system that a path lies on.
read_free() {
	FREE_KIB=0
	# The heading has seven words; the fourth number behind it is what is free.
	# shellcheck disable=SC2046 # words, split on purpose
	set -- $(df -Pk "$1" 2>/dev/null)
	[ $# -lt 11 ] || FREE_KIB=${11}
}

# Sets COPIES_KIB to what the snapshot will take: what will be replaced, and all that is watched. With `count` also COPIES,
# the number of its files. One du for all roots.
measure_copies() {
	mc_what=${1:-}
	COPIES_KIB=$REPLACED_KIB COPIES=$REPLACED_COUNT
	set --
	for mc_list in "$JOB"/c/*/watch; do
		[ -s "$mc_list" ] || continue
		while IFS= read -r mc_path; do
			[ ! -e "$mc_path" ] || set -- "$@" "$mc_path"
		done <"$mc_list"
	done
	[ $# -gt 0 ] || return 0
	for mc_size in $(du -sk -- "$@" 2>/dev/null | cut -f1); do
		COPIES_KIB=$((COPIES_KIB + mc_size))
	done
	[ "$mc_what" != count ] || COPIES=$((COPIES + $(find "$@" 2>/dev/null | wc -l)))
}

# Tells what the snapshot would take, and how many files more there may be: `-` where the file system doesn't count them.
tell_space() {
	measure_copies count
	ts_free=-
	# shellcheck disable=SC2046 # numbers, split on purpose
	set -- $(stat -f -c '%c %d' "$STATE_DIR" 2>/dev/null)
	[ "${1:-0}" = 0 ] || ts_free=${2:--}
	tell "space copies_kib=$COPIES_KIB copies=$COPIES free_inodes=$ts_free"
}

# Room for the copies, and for a megabyte of journal and reserve.
check_space() {
	measure_copies
	cs_need=$((1024 + COPIES_KIB))
	read_free "$STATE_DIR"
	# Ten digits are a terabyte and more than some shells can compare.
	[ "${#FREE_KIB}" -ge 10 ] || [ "$FREE_KIB" -ge "$cs_need" ] ||
		refuse no_space "the guard needs $cs_need KiB in $STATE_DIR and $FREE_KIB are free"
}
