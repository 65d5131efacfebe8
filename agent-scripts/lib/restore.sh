# shellcheck shell=sh
# Putting a snapshot back: only what differs, in an order that survives being cut and repeated.

# Puts change $1 back. What is still not as before stands in job/c/N/broken afterwards. $2 = mounted leaves out what
# isn't mounted yet, all leaves nothing out.
restore_snapshot() {
	rs_dir=$JOB/c/$1
	[ -f "$rs_dir/before" ] || return 0
	true >"$rs_dir/broken"
	universe "$rs_dir" "$2" || return 1
	list_paths "$rs_dir/now" <"$rs_dir/universe" || return 1
	compare_listings "$rs_dir/universe" "$rs_before" "$rs_dir/now" >"$rs_dir/delta" || return 1
	[ ! -f "$rs_dir/changed" ] || add_touched "$rs_dir" || return 1
	if ! [ -s "$rs_dir/delta" ]; then
		# A run that was cut may have left the times.
		[ ! -e "$rs_dir/restored" ] || restore_times "$rs_dir"
		return 0
	fi
	true >"$rs_dir/restored" && durable "$rs_dir/restored" "$rs_dir"
	lift_flags "$rs_dir"
	save_theirs "$rs_dir"
	remove_new "$rs_dir"
	remake_directories "$rs_dir"
	# What was seen through a link that has just gone must be looked at again.
	[ ! -f "$rs_dir/roots" ] || look_at_restored "$rs_dir" delta.more || return 1
	replace_files "$rs_dir"
	restore_times "$rs_dir"
	look_at_restored "$rs_dir" broken || return 1
	! [ -s "$rs_dir/broken" ] || return 1
	# A link kept for this moment would leave the file with two names.
	[ "$rs_before" != "$rs_dir/before" ] || rm -rf "$rs_dir/link"
}

# Lists once more and writes what differs to a file; a file that could not be written whole proves nothing.
look_at_restored() {
	list_paths "$1/now" <"$1/universe" || return 1
	compare_listings "$1/universe" "$rs_before" "$1/now" >"$1/$2"
}

# A watched file whose attributes or ACL somebody changed looks the same in a listing; its change time tells.
add_touched() {
	while IFS= read -r at_path; do
		if [ -f "$at_path" ] && ! [ -L "$at_path" ]; then put "$at_path"; fi
	done <"$1/universe" >"$1/regular.now" || return 1
	in_chunks changed_chunk "" "" <"$1/regular.now" >"$1/changed.now" || return 1
	grep -vxF -f "$1/changed" "$1/changed.now" >"$1/changed.differ"
	while IFS=/ read -r _ at_path; do
		# One that differs anyway is in the delta already; one that is new is no business of the old listing.
		grep -F -e "/$at_path" "$rs_before" | while IFS= read -r at_line; do
			[ "${at_line#*/}" != "$at_path" ] || put "differs $at_line"
		done
	done <"$1/changed.differ" >"$1/changed.delta" || return 1
	# By path, parents first: directories are made anew in this order.
	[ ! -s "$1/changed.delta" ] || LC_ALL=C sort -t / -k 2 -u "$1/delta" "$1/changed.delta" >"$1/delta.both" || return 1
	[ ! -s "$1/changed.delta" ] || mv -f "$1/delta.both" "$1/delta"
}

# All paths the snapshot speaks for now: those of then, and what has come since below watched trees. Sets rs_before to
# the listing to compare with.
universe() {
	rs_before=$1/before
	if [ -f "$1/roots" ]; then
		remove_broken_names "$1/roots"
		{
			cat "$1/paths"
			while IFS= read -r un_root; do
				walk_trees "$un_root"
			done <"$1/roots"
		} | LC_ALL=C sort -u >"$1/universe" || return 1
	else
		cat "$1/paths" >"$1/universe" || return 1
	fi
	[ "$2" = mounted ] || return 0
	missing_mounts "$1" || return 0
	rs_before=$1/before.here
	cat "$1/before" >"$rs_before"
	drop_below "$1/universe" && drop_below "$rs_before"
}

# A name with a newline can't stand in a listing. There was none when the snapshot was taken, or it would have been
# refused; so what has such a name now is new.
remove_broken_names() {
	while IFS= read -r rb_root; do
		[ ! -d "$rb_root" ] || find "$rb_root" -xdev -depth -name '*
*' -exec rm -rf {} +
	done <"$1"
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

drop_below() {
	while IFS= read -r db_line; do
		db_path=/${db_line#*/}
		db_keep=1
		while IFS= read -r db_point; do
			case $db_path/ in "$db_point"/*) [ -z "$db_point" ] || db_keep= ;; esac
		done <<POINTS
$MISSING
POINTS
		[ -z "$db_keep" ] || put "$db_line"
	done <"$1" >"$1.kept" && mv -f "$1.kept" "$1"
}

# What somebody else wrote since is kept aside: neither the old content nor the one that we put there. Only a
# manifest tells what we put there.
save_theirs() {
	[ -f "$1/manifest" ] || return 0
	list_sums "$1/now" >"$1/sums.now"
	[ -s "$1/sums.now" ] || return 0
	list_sums "$1/manifest" >"$1/sums.known"
	list_sums "$1/before" >>"$1/sums.known"
	put / >>"$1/sums.known"
	grep -vxF -f "$1/sums.known" "$1/sums.now" >"$1/theirs.sums" || return 0
	while IFS=/ read -r _ st_path; do put "/$st_path"; done <"$1/theirs.sums" >"$1/theirs.list"
	mkdir -p "$TX/theirs" && in_chunks copy_chunk "$TX/theirs" . <"$1/theirs.list"
	while IFS= read -r st_path; do
		journal "warning -- $st_path was changed by somebody else since; that version is kept in $TX/theirs"
	done <"$1/theirs.list"
}

# Prints "SUM/path" for the regular files of a listing or a manifest: both have the sum last.
list_sums() {
	while IFS=/ read -r ls_meta ls_path; do
		case $ls_meta in 8???" "* | *" f "*) put "${ls_meta##* }/$ls_path" ;; esac
	done <"$1"
}

# Children before parents; a directory that somebody filled since stays and is told.
remove_new() {
	LC_ALL=C sort -t / -k 2 -r "$1/delta" | while IFS=/ read -r rn_meta rn_path; do
		case $rn_meta in
		"new 4"*) rmdir "/$rn_path" 2>/dev/null ;;
		new*) rm -f "/$rn_path" ;;
		*) remove_misfit "$rn_meta" "/$rn_path" ;;
		esac
	done
}

# A path that has become another type is in the way of what it was.
remove_misfit() {
	case $1 in
	"differs 4"*) [ -d "$2" ] && ! [ -L "$2" ] || rm -f "$2" ;;
	differs*) ! [ -d "$2" ] || [ -L "$2" ] || rmdir "$2" 2>/dev/null ;;
	esac
}

remake_directories() {
	while IFS=/ read -r rd_meta rd_path; do
		case $rd_meta in "missing 4"* | "differs 4"*) ;; *) continue ;; esac
		# shellcheck disable=SC2086 # words, split on purpose
		set_directory "/$rd_path" $rd_meta
	done <"$1/delta"
}

# set_directory PATH WORD RAWMODE UID GID ...
set_directory() {
	[ -d "$1" ] || mkdir "$1"
	[ "$UID_NOW" != 0 ] || chown "$4:$5" "$1"
	chmod "$(octal_mode "$3")" "$1"
}

# Five digits: with fewer, GNU chmod leaves a directory's setgid bit as it is.
octal_mode() {
	printf '%05o' "$((0x$1 & 0xfff))"
}

# Prepares the old files beside the record, makes them durable, then renames them into place.
replace_files() {
	rf_undo=$1/undo.$$
	rm -rf "$1"/undo.*
	mkdir "$rf_undo" || return 1
	for rf_delta in "$1/delta" "$1/delta.more"; do
		[ ! -f "$rf_delta" ] || while IFS=/ read -r rf_meta rf_path; do
			case $rf_meta in "missing 4"* | "differs 4"* | new*) ;; *) put "/$rf_path" ;; esac
		done <"$rf_delta"
	done >"$1/replace.all"
	LC_ALL=C sort -u "$1/replace.all" >"$1/replace"
	[ -s "$1/replace" ] || return 0
	if ! (cd "$1/snap" && in_chunks copy_chunk "$rf_undo" . <"$1/replace"); then
		# No room for copies: half a copy must never get into place, and a rename of the snapshot itself needs none.
		rm -rf "$rf_undo"
		KEEP_LABELS=1
		place_files "$1/snap" <"$1/replace"
		KEEP_LABELS=
		return 0
	fi
	use_links "$1"
	in_chunks sync_chunk "" "$rf_undo" <"$1/replace"
	# The copies carry the labels of then.
	KEEP_LABELS=1
	place_files "$rf_undo" <"$1/replace"
	KEEP_LABELS=
	rm -rf "$rf_undo"
}

# A linked inode is better than its copy, if nobody wrote into it.
use_links() {
	[ -s "$1/linked" ] && [ -d "$1/link" ] || return 0
	while IFS= read -r ul_path; do put "$1/link$ul_path"; done <"$1/linked" >"$1/link.paths"
	list_paths "$1/link.now" <"$1/link.paths" || return 0
	while IFS= read -r ul_line; do
		ul_path=/${ul_line#*"$1/link/"}
		[ -e "$rf_undo$ul_path" ] || [ -L "$rf_undo$ul_path" ] || continue
		ul_meta=${ul_line%%/*}
		grep -qF -e "${ul_meta##* }$ul_path" "$1/before" || continue
		if [ "$1/link$ul_path" -ef "$ul_path" ]; then
			# The same inode is there: only its attributes went astray, and a rename onto itself would do nothing.
			use_attributes "$rf_undo$ul_path" "$ul_path" && rm -f "$rf_undo$ul_path"
		else
			ln -f "$1/link$ul_path" "$rf_undo$ul_path.link" || continue
			use_attributes "$rf_undo$ul_path" "$rf_undo$ul_path.link"
			mv -f "$rf_undo$ul_path.link" "$rf_undo$ul_path"
		fi
	done <"$1/link.now"
}

# use_attributes COPY FILE: gives a file the owner, mode and times of its copy where they aren't the same already.
use_attributes() {
	! [ -L "$1" ] || return 0
	[ "$(stat -c "%f %u %g $STAT_MTIME" -- "$1")" != "$(stat -c "%f %u %g $STAT_MTIME" -- "$2")" ] || return 0
	[ "$UID_NOW" != 0 ] || chown "$(stat -c %u:%g -- "$1")" "$2"
	chmod "$(stat -c %a -- "$1")" "$2"
	touch -r "$1" "$2"
}

# Owners and modes are right by now; what else a directory has is in the archive.
restore_attributes() {
	[ -f "$1/dirs.tar" ] || return 0
	while IFS=/ read -r ra_meta ra_path; do
		case $ra_meta in 4???" "*) ;; *) continue ;; esac
		[ -z "$ra_path" ] || [ -L "/$ra_path" ] || [ ! -d "/$ra_path" ] || put "./$ra_path"
	done <"$rs_before" >"$1/dirs.here"
	[ ! -s "$1/dirs.here" ] || attribute_tar -xpf "$1/dirs.tar" -T "$1/dirs.here"
}

# Directories get their times back last, when nothing is renamed in them any more.
restore_times() {
	restore_attributes "$1"
	true >"$1/touched"
	while IFS=/ read -r rt_time rt_path; do
		[ ! -d "/$rt_path" ] || put "/$rt_path"
	done <"$1/dirs" >"$1/touched"
	in_chunks time_chunk "" "" <"$1/touched" >"$1/times.now"
	grep -vxF -f "$1/times.now" "$1/dirs" >"$1/times.differ"
	while IFS=/ read -r rt_time rt_path; do
		[ ! -d "/$rt_path" ] || touch -d "@$rt_time" "/$rt_path"
	done <"$1/times.differ"
	in_chunks sync_chunk "" "" <"$1/touched"
	put_flags_back "$1"
}
