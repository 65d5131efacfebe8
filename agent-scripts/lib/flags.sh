# shellcheck shell=sh
# The flags i (immutable) and a (append-only) of chattr: what has one can be neither replaced nor put back. An undo takes
# them away from what it must change, and gives them again to what had them.

# Whether flags can be read and set here at all.
has_flags() {
	[ "$UID_NOW" = 0 ] && command -v lsattr >/dev/null 2>&1 && command -v chattr >/dev/null 2>&1
}

# Notes "FLAGS/path" in job/c/N/flags for watched files and directories that carry one.
note_flags() {
	true >"$1/flags"
	has_flags || return 0
	{
		while IFS=/ read -r _ nf_path; do put "/$nf_path"; done <"$1/changed"
		while IFS=/ read -r _ nf_path; do put "/$nf_path"; done <"$1/dirs"
	} >"$1/flagged"
	list_flags "$1" <"$1/flagged" >"$1/flags"
}

# Prints "FLAGS/path" for the paths on stdin that carry one of the two.
list_flags() {
	in_chunks flag_chunk "$1/flag.chunk" ""
}

flag_chunk() {
	fg_list=$1
	shift
	# Not every file system knows flags; what it doesn't know, nobody can have set.
	lsattr -d -- "$@" 2>/dev/null >"$fg_list"
	while IFS= read -r fg_line; do
		fg_found=
		case ${fg_line%%" "*} in *i*) fg_found=i ;; esac
		case ${fg_line%%" "*} in *a*) fg_found=a$fg_found ;; esac
		[ -z "$fg_found" ] || put "$fg_found/${fg_line#*" /"}"
	done <"$fg_list"
}

# Takes the flags from what the undo will touch: what differs, and the folders that it lies in.
lift_flags() {
	has_flags || return 0
	lf_last=-
	while IFS=/ read -r _ lf_path; do
		for lf_one in "/$lf_path" "/${lf_path%/*}"; do
			[ "$lf_one" != "$lf_last" ] || continue
			# A link has no flags, and asking would follow it.
			if { [ -f "$lf_one" ] || [ -d "$lf_one" ]; } && ! [ -L "$lf_one" ]; then put "$lf_one"; fi
		done
		lf_last=/${lf_path%/*}
	done <"$1/delta" >"$1/flagged"
	list_flags "$1" <"$1/flagged" >"$1/lifted"
	while IFS=/ read -r _ lf_path; do
		chattr -ia "/$lf_path" 2>/dev/null
	done <"$1/lifted"
}

# Gives the flags of then to what has lost them, last of all.
put_flags_back() {
	[ -s "$1/flags" ] || return 0
	while IFS=/ read -r pb_flags pb_path; do
		if [ -f "/$pb_path" ] || [ -d "/$pb_path" ]; then chattr "+$pb_flags" "/$pb_path" 2>/dev/null; fi
	done <"$1/flags"
	return 0
}
