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
		listed_paths "$1/changed"
		listed_paths "$1/dirs"
	} >"$1/flagged"
	list_flags "$1" <"$1/flagged" >"$1/flags"
}

# Prints "FLAGS/path" for the paths on stdin that carry one of the two.
list_flags() {
	in_chunks flag_chunk "$1/flag.chunk" "" flag_odd
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

# A name with a newline would look like a line about another path.
flag_odd() {
	real "$1"
	fo_flags=$(lsattr -d -- "$REAL" 2>/dev/null)
	fo_flags=${fo_flags%%" "*} fo_found=''
	case $fo_flags in *[!A-Za-z-]*) return 0 ;; esac
	case $fo_flags in *i*) fo_found=i ;; esac
	case $fo_flags in *a*) fo_found=a$fo_found ;; esac
	[ -z "$fo_found" ] || put "$fo_found$1"
}

# Takes the flags from what the undo will touch: what differs, and the folders that it lies in.
lift_flags() {
	has_flags || return 0
	lf_last=-
	each_line find_flagged <"$1/delta" >"$1/flagged"
	list_flags "$1" <"$1/flagged" >"$1/lifted"
	while IFS=/ read -r _ lf_path; do
		set_flags "/$lf_path" -ia
	done <"$1/lifted"
}

find_flagged() {
	lf_path=/${1#*/}
	for lf_one in "$lf_path" "${lf_path%/*}"; do
		[ "$lf_one" != "$lf_last" ] || continue
		real "$lf_one"
		# A link has no flags, and asking would follow it.
		if { [ -f "$REAL" ] || [ -d "$REAL" ]; } && ! [ -L "$REAL" ]; then put "$lf_one"; fi
	done
	lf_last=${lf_path%/*}
}

# Gives the flags of then to what has lost them, last of all, and the files before the directories that they lie in.
put_flags_back() {
	[ -s "$1/flags" ] || return 0
	while IFS=/ read -r pb_flags pb_path; do
		set_flags "/$pb_path" "+$pb_flags"
	done <"$1/flags"
	return 0
}

# set_flags PATH FLAGS: of a directory from within; of a file, where somebody else may write to its directory, while
# that is immutable itself: so nobody can put a symlink in its place between the look at it and chattr, which follows one.
set_flags() {
	real "$1"
	fs_name=${REAL##*/}
	if [ -d "$REAL" ] && enter "$1"; then
		chattr "$2" . 2>/dev/null
	elif enter "${1%/*}"; then
		is_ours_alone && fs_held='' || fs_held=1
		[ -z "$fs_held" ] || chattr +i . 2>/dev/null
		[ -L "./$fs_name" ] || ! [ -f "./$fs_name" ] || chattr "$2" -- "./$fs_name" 2>/dev/null
		[ -z "$fs_held" ] || chattr -i . 2>/dev/null
	fi
	cd /
}

# Whether nobody but us may write to the working directory.
is_ours_alone() {
	# shellcheck disable=SC2046 # numbers, split on purpose
	set -- $(stat -c '%u %f' . 2>/dev/null)
	[ $# -eq 2 ] && is_our_uid "$1" && [ $((0x$2 & 18)) -eq 0 ]
}
