# shellcheck shell=sh
# The kind "files": files, directories and symlinks that shall be as the manifest says.
#
# A manifest line is "ENTRY TYPE RAWMODE OCTAL OWNER GROUP SIZE SUM/path": TYPE is f, d or l; OWNER and GROUP are
# names, numbers or "-" (keep what is there); SUM as in a listing.

# Tells what would change, and writes job/c/N/differ (manifest lines with numeric owners) and job/c/N/delete.
files_inspect() {
	fi_dir=$JOB/c/$1
	listed_paths "$fi_dir/manifest" >"$fi_dir/wanted"
	list_paths "$fi_dir/found" <"$fi_dir/wanted" || return 1
	true >"$fi_dir/texts"
	files_suspects "$fi_dir" || return 1
	files_compare_all "$1" 3>"$fi_dir/differ" || return 1
	files_find_deletions "$1" && check_writable "$1"
}

# Sets ROWS to "MANIFEST|FOUND/path" for what isn't obviously as the manifest says. Both lists are in the same order.
files_suspects() {
	ROWS=$(awk '
	function path(line) { return substr(line, index(line, "/")) }
	function meta(line) { return substr(line, 1, index(line, "/") - 1) }
	# As text: as numbers, some sums and modes that differ would be equal.
	function same(a, b) { return a "" == b "" }
	function keeps(wish, is) { return same(wish, "-") || same(wish, is) }
	BEGIN { found = ARGV[2]; ARGC = 2 }
	{
		if (!have) have = (getline line < found) > 0
		now = ""
		if (have && path(line) == path($0)) { now = meta(line); have = 0 }
		split(meta($0), want, " ")
		if (split(now, is, " ") && want[2] == "f" && same(want[3], is[1]) && same(want[8], is[6]) &&
			keeps(want[5], is[2]) && keeps(want[6], is[3])) next
		print meta($0) "|" now path($0)
	}' "$1/manifest" "$1/found")
}

files_compare_all() {
	split_on_lines
	for fi_line in $ROWS; do
		split_on_words
		fi_meta=${fi_line%%/*}
		# shellcheck disable=SC2086 # words, split on purpose
		files_compare "$1" "/${fi_line#*/}" "${fi_meta#*"|"}" ${fi_meta%%"|"*} || return 1
	done
	split_on_words
}

# files_compare N PATH "NOW" ENTRY TYPE RAW OCTAL OWNER GROUP SIZE SUM
files_compare() {
	fc_n=$1 fc_path=$2 fc_now=$3
	shift 3
	numeric_owner "$5" /etc/passwd -u && fc_uid=$OWNER_ID || return 1
	numeric_owner "$6" /etc/group -g && fc_gid=$OWNER_ID || return 1
	if [ -n "$fc_now" ]; then
		# shellcheck disable=SC2086 # words, split on purpose
		files_same "$1 $2 $3 $8" $fc_now && return 0
		# shellcheck disable=SC2086
		files_report "$fc_n" "$1" "$fc_path" $fc_now
	else
		report "path n=$fc_n e=$1 raw=0 uid=0 gid=0 size=0 sum=- -- "
	fi
	put "$1 $2 $3 $4 $fc_uid $fc_gid $7 $8$fc_path" >&3
}

# files_same "ENTRY TYPE RAW SUM" RAW UID GID SIZE MTIME SUM: whether what is there is as wanted. Owners that the
# manifest keeps become those that are there.
files_same() {
	[ "$fc_uid" != - ] || fc_uid=$3
	[ "$fc_gid" != - ] || fc_gid=$4
	case $1 in
	*" l "*) [ "${1##* } $fc_uid $fc_gid" = "$7 $3 $4" ] ;;
	# A symlink to a directory where a directory is wanted is somebody's choice, and files below it are reached.
	*" d "*) [ "${1#* d } $fc_uid $fc_gid" = "$2 $7 $3 $4" ] || { [ -L "$fc_path" ] && [ -d "$fc_path" ]; } ;;
	*) [ "${1#* f } $fc_uid $fc_gid" = "$2 $7 $3 $4" ] ;;
	esac
}

# files_report N ENTRY PATH RAW UID GID SIZE MTIME SUM
files_report() {
	fr_target=
	if [ "$7" != - ]; then
		REPLACED_COUNT=$((REPLACED_COUNT + 1))
		is_linkable "$7" "$3" || REPLACED_KIB=$((REPLACED_KIB + ${7%???} + 1))
	fi
	[ ! -L "$3" ] || fr_target=$(readlink "$3")
	report "path n=$1 e=$2 raw=$4 uid=$5 gid=$6 size=${7#-} sum=$9 -- $fr_target"
	# Texts for the diff: regular files up to 64 KiB.
	case $4 in 8???) [ "${#7}" -gt 5 ] || [ "$7" -gt 65536 ] || put "$3" >>"$JOB/c/$1/texts" ;; esac
}

# Whether a file is big and its snapshot will be a link, which takes no room.
is_linkable() {
	[ "${#1}" -ge 8 ] || return 1
	read_mounts
	find_mount "$STATE_DIR"
	il_state=$MOUNT_POINT
	find_mount "$2"
	[ "$MOUNT_POINT" = "$il_state" ]
}

# Sets OWNER_ID for a name, a number or "-". Neighbours in a manifest mostly have the same owner: the last is kept.
numeric_owner() {
	OWNER_ID=$1
	case $1 in
	-) return 0 ;;
	*[!0-9]*) ;;
	*) return 0 ;;
	esac
	if [ "$no_last" = "$3$1" ]; then
		OWNER_ID=$no_last_id
		return 0
	fi
	look_up_owner "$@" || {
		WHY="there is no user or group '$1' on this host"
		return 1
	}
	no_last=$3$1 no_last_id=$OWNER_ID
}

look_up_owner() {
	while IFS=: read -r no_name _ no_id _; do
		if [ "$no_name" = "$1" ]; then
			OWNER_ID=$no_id
			return 0
		fi
	done <"$2"
	# Names that come from elsewhere (LDAP).
	case $3 in
	-u) OWNER_ID=$(id -u "$1" 2>/dev/null) ;;
	*) OWNER_ID=$(getent group "$1" 2>/dev/null | cut -d: -f3) ;;
	esac
	[ -n "$OWNER_ID" ]
}

# What a purge would delete: everything below its directories that the manifest doesn't name, nor needs.
files_find_deletions() {
	fd_dir=$JOB/c/$1
	true >"$fd_dir/delete"
	[ -s "$fd_dir/purge" ] || return 0
	while IFS= read -r fd_path; do
		put "$fd_path"
		# What lies above a wanted path stays, and so does the directory itself.
		while [ -n "${fd_path%/*}" ]; do
			fd_path=${fd_path%/*}
			put "$fd_path"
		done
	done <"$fd_dir/wanted" >"$fd_dir/keep"
	cat "$fd_dir/purge" >>"$fd_dir/keep"
	no_broken_names "$fd_dir/purge" || return 1
	while IFS= read -r fd_root; do
		[ ! -d "$fd_root" ] || walk_trees "$fd_root"
	done <"$fd_dir/purge" | LC_ALL=C sort -u | lines_without "$fd_dir/keep" >"$fd_dir/delete"
	while IFS= read -r fd_path; do
		shown "$fd_path"
		report "delete n=$1 -- $SHOWN"
	done <"$fd_dir/delete"
}

# Tells the texts of what would be replaced, for the diff: one grep for a hundred, each line behind its path.
files_tell_texts() {
	[ -s "$JOB/c/$1/texts" ] || return 0
	tell "texts n=$1"
	in_chunks text_chunk "" "" <"$JOB/c/$1/texts"
}

text_chunk() {
	shift
	grep -aH '' -- "$@" 2>/dev/null | tr -d '\000' | sed "s/^/@snapback:$NONCE | /"
}

# Everything the change will touch, sorted: entries, deletions, and the directories they lie in.
files_paths() {
	fp_dir=$JOB/c/$1
	{
		listed_paths "$fp_dir/differ"
		[ ! -s "$fp_dir/delete" ] || cat "$fp_dir/delete"
	} >"$fp_dir/touched"
	with_folders "$fp_dir/touched" | LC_ALL=C sort -u >"$fp_dir/paths"
}

# Prints the paths in a file and the directories they lie in.
with_folders() {
	wf_seen=
	read_lines "$1"
	split_on_lines
	for wf_path in $ROWS; do
		put "$wf_path"
		wf_up=${wf_path%/*}
		while [ -n "$wf_up" ] && [ "$wf_up" != "$wf_seen" ]; do
			put "$wf_up"
			# Above the first directory that exists nothing is touched.
			[ ! -d "$wf_up" ] || break
			wf_up=${wf_up%/*}
		done
		wf_seen=${wf_path%/*}
	done
	split_on_words
}

# Checks what was staged and gives it its owners, before anything is armed.
files_stage() {
	fg_dir=$JOB/c/$1
	read_lines "$fg_dir/differ"
	fg_lines=$ROWS
	files_all_fit >"$fg_dir/place" && files_can_enter || return 1
	while IFS= read -r fg_path; do put "$fg_dir/tree$fg_path"; done <"$fg_dir/place" >"$fg_dir/staged.paths"
	list_paths "$fg_dir/staged" <"$fg_dir/staged.paths" && read_lines "$fg_dir/staged" || return 1
	files_check_all_staged
}

# Prints what has to be put in place.
files_all_fit() {
	split_on_lines
	for fg_line in $fg_lines; do
		split_on_words
		fg_meta=${fg_line%%/*} fg_path=/${fg_line#*/}
		# shellcheck disable=SC2086 # words, split on purpose
		files_fits "$fg_path" $fg_meta || return 1
		case $fg_meta in *" d "*) ;; *) put "$fg_path" ;; esac
	done
	split_on_words
}

# The staged files are in ROWS, in the same order.
files_check_all_staged() {
	split_on_lines
	# shellcheck disable=SC2086 # lines, split on purpose
	set -- $ROWS
	for fg_line in $fg_lines; do
		split_on_words
		fg_meta=${fg_line%%/*}
		case $fg_meta in *" d "*) continue ;; esac
		fg_have=${1:-"- - - - - -"}
		[ $# -eq 0 ] || shift
		# shellcheck disable=SC2086 # words, split on purpose
		files_check_staged "/${fg_line#*/}" $fg_meta ${fg_have%%/*} || return 1
	done
	split_on_words
}

# A symlink on the way that somebody else may replace is never followed: he could lead us anywhere.
files_can_enter() {
	fe_last=-
	split_on_lines
	for fe_line in $fg_lines; do
		split_on_words
		fe_path=${fe_line#*/}
		fe_up=/$fe_path
		fe_up=${fe_up%/*}
		[ "$fe_up" != "$fe_last" ] || continue
		fe_last=$fe_up
		while [ -n "$fe_up" ] && ! [ -d "$fe_up" ]; do fe_up=${fe_up%/*}; done
		enter "$fe_up" || {
			WHY="the way to /$fe_path leads through a symlink that somebody other than root could replace: it is not followed"
			return 1
		}
	done
	split_on_words
	cd /
}

# files_fits PATH ENTRY TYPE ...: whether what is there can become what is wanted.
files_fits() {
	case $3 in
	d)
		if [ -d "$1" ] || ! { [ -e "$1" ] || [ -L "$1" ]; }; then return 0; fi
		WHY="$1 is no directory, and a directory is wanted there"
		;;
	*)
		if ! [ -d "$1" ] || [ -L "$1" ]; then return 0; fi
		WHY="$1 is a directory, and something else is wanted there"
		;;
	esac
	return 1
}

# files_check_staged PATH ENTRY TYPE RAW OCTAL UID GID SIZE SUM RAW UID GID SIZE MTIME SUM
files_check_staged() {
	if [ "$9" != "${15}" ]; then
		WHY="$1 did not arrive whole, or changed while it was sent"
		return 1
	fi
	[ "$UID_NOW" = 0 ] || return 0
	fk_uid=$6 fk_gid=$7
	[ "$fk_uid" != - ] || fk_uid=0
	[ "$fk_gid" != - ] || fk_gid=0
	if [ "$fk_uid:$fk_gid" != "${11}:${12}" ]; then
		chown -h "$fk_uid:$fk_gid" "$fg_dir/tree$1" || return 1
	elif [ "$3" = l ] || [ "$4" = "${10}" ]; then
		return 0
	fi
	# chown takes suid and sgid away, so the mode comes last.
	[ "$3" = l ] || chmod "$5" "$fg_dir/tree$1"
}

files_snapshot() {
	# A snapshot of nothing could always be put back.
	files_paths "$1" && [ -s "$JOB/c/$1/paths" ] && take_snapshot "$1"
}

# Puts the new files in place. Stops where something isn't what was snapshotted.
files_apply() {
	fa_dir=$JOB/c/$1
	list_meta "$fa_dir" || return 1
	read_lines "$fa_dir/differ"
	files_make_ways || return 1
	if ! place_files "$fa_dir/tree" <"$fa_dir/place"; then
		WHY="a file could not be put in place"
		return 1
	fi
	files_delete "$fa_dir" || return 1
	sync_named "$fa_dir"
}

# The directories that are wanted, and those that lead to files.
files_make_ways() {
	split_on_lines
	for fa_line in $ROWS; do
		split_on_words
		fa_meta=${fa_line%%/*} fa_path=/${fa_line#*/}
		# shellcheck disable=SC2086 # words, split on purpose
		case $fa_meta in *" d "*) files_make_directory "$fa_path" $fa_meta || return 1 ;; esac
	done
	split_on_lines
	for fa_line in $ROWS; do
		split_on_words
		case ${fa_line%%/*} in *" d "*) continue ;; esac
		fa_path=/${fa_line#*/}
		[ -d "${fa_path%/*}" ] || { enter_made "${fa_path%/*}" && cd /; } || {
			WHY="${fa_path%/*} could not be made"
			return 1
		}
	done
	split_on_words
}

# Names as well as contents must be there after a power cut.
sync_named() {
	read_lines "$1/paths"
	split_on_lines
	for sn_path in $ROWS; do
		[ ! -d "$sn_path" ] || put "$sn_path"
	done >"$1/named"
	split_on_words
	in_chunks sync_chunk "" "" <"$1/named"
}

# What was snapshotted must still be what is there.
list_meta() {
	list_paths "$1/fresh" <"$1/paths" || return 1
	compare_listings "$1/paths" "$1/before" "$1/fresh" >"$1/moved"
	if [ -s "$1/moved" ]; then
		IFS=/ read -r _ lm_path <"$1/moved"
		WHY="/$lm_path was changed by somebody else since the snapshot"
		return 1
	fi
}

# files_make_directory PATH ENTRY TYPE RAW OCTAL UID GID ...
files_make_directory() {
	WHY="the directory $1 could not be made"
	enter_made "$1" || return 1
	fm_code=0
	if [ "$UID_NOW" = 0 ]; then
		fm_owner=${6#-}:${7#-}
		[ "$fm_owner" = : ] || chown "$fm_owner" . || fm_code=1
	fi
	# Five digits: with fewer, GNU chmod leaves a directory's setgid bit as it is.
	chmod "$(printf '%05d' "$5")" . || fm_code=1
	cd /
	return "$fm_code"
}

# Children before parents.
files_delete() {
	[ -s "$1/delete" ] || return 0
	LC_ALL=C sort -r "$1/delete" >"$1/delete.down"
	while IFS= read -r fl_path; do
		real "$fl_path"
		if [ -d "$REAL" ] && ! [ -L "$REAL" ]; then put "d$fl_path"; else put "f$fl_path"; fi
	done <"$1/delete.down" >"$1/delete.kinds"
	remove_listed <"$1/delete.kinds" && return 0
	WHY="what a purge deletes could not be deleted"
	return 1
}

files_undo() {
	restore_bounded "$1" "$2"
}
