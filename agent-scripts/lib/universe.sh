# shellcheck shell=sh
# What a snapshot speaks for: which paths are looked at when it is put back, and which can't be, not being mounted.

# All paths the snapshot speaks for now: those of then, and what has come since below watched trees. Sets rs_before to
# the listing to compare with.
universe() {
	rs_before=$1/before
	if [ -f "$1/roots" ]; then
		WHY=
		# There was no such name when the snapshot was taken, and it can't be told of in a list: a person must look.
		no_broken_names "$1/roots" || put "new/${WHY#*below /}" >>"$1/broken"
		{
			cat "$1/paths"
			while IFS= read -r un_root; do
				walk_trees "$un_root"
			done <"$1/roots"
		} | LC_ALL=C sort -u >"$1/universe" || return 1
	else
		made_directories "$1" >"$1/made" || return 1
		# A list that a full disk cuts short would prove that nothing differs: each of these tells.
		if [ -s "$1/made" ]; then
			{
				cat "$1/paths"
				# Somebody may have put something into directories that were made on the way.
				while IFS= read -r un_root; do walk_trees "$un_root"; done <"$1/made"
			} | LC_ALL=C sort -u >"$1/universe" || return 1
		else
			cat "$1/paths" >"$1/universe" || return 1
		fi
	fi
	missing_mounts "$1" || return 0
	rs_before=$1/before.here
	cat "$1/before" >"$rs_before" || return 1
	drop_below "$1/universe" "$1/unmounted" && drop_below "$rs_before" /dev/null || return 1
	[ "$2" = mounted ] || tell_unmounted "$1"
}

# Putting these back would write below the mount point, into another file system than the one they lie on.
tell_unmounted() {
	while IFS= read -r tu_path; do put "unmounted$tu_path"; done <"$1/unmounted" >>"$1/broken"
}

# Prints the directories that are there now and were not before; not those below one that is printed.
made_directories() {
	md_before='' md_last=-
	while IFS= read -r md_path <&3; do
		[ -n "$md_before" ] || IFS= read -r md_before <&4 || md_before=
		if [ "/${md_before#*/}" = "$md_path" ] && [ -n "$md_before" ]; then
			md_before=
			continue
		fi
		case $md_path in "$md_last"/*) continue ;; esac
		real "$md_path"
		[ -d "$REAL" ] && ! [ -L "$REAL" ] || continue
		md_last=$md_path
		put "$md_path" || return 1
	done 3<"$1/paths" 4<"$1/before"
}

# Sets MISSING to the noted mount points that aren't mounted now.
missing_mounts() {
	MISSING=
	read_mounts
	while IFS= read -r mm_point; do
		find_mount "$mm_point"
		[ "$MOUNT_POINT" = "$mm_point" ] || MISSING="$MISSING$mm_point
"
	done <"$1/mounts"
	[ -n "$MISSING" ]
}

# drop_below FILE DROPPED: takes out of a list what lies below MISSING.
drop_below() {
	while IFS= read -r db_line; do
		db_path=/${db_line#*/}
		db_keep=1
		while IFS= read -r db_point; do
			case $db_path/ in "$db_point"/*) [ -z "$db_point" ] || db_keep= ;; esac
		done <<POINTS
$MISSING
POINTS
		if [ -n "$db_keep" ]; then put "$db_line"; else put "$db_line" >&3; fi || return 1
	done <"$1" >"$1.kept" 3>"$2" && mv -f "$1.kept" "$1"
}
