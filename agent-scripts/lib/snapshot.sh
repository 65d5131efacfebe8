# shellcheck shell=sh
# Snapshots: taking what is, and putting it back. That of change N lies in job/c/N:
#   paths    every path it speaks for, sorted            before   their listing
#   roots    trees that are watched whole (may be absent)
#   snap/    copies, as a tree that a person can read    link/    hard links, where a copy would lose something

# Takes the snapshot of change $1 from its paths and roots.
take_snapshot() {
	ts_dir=$JOB/c/$1
	mkdir -p "$ts_dir/snap" || return 1
	list_paths "$ts_dir/before" <"$ts_dir/paths" || return 1
	while IFS=/ read -r ts_meta ts_path; do
		case $ts_meta in
		4???" "*) printf '/%s\n' "$ts_path" >&3 ;;
		*) printf '/%s\n' "$ts_path" ;;
		esac
	done <"$ts_dir/before" >"$ts_dir/files" 3>"$ts_dir/dirs"
	in_chunks copy_chunk "$ts_dir/snap" "" <"$ts_dir/files" || return 1
	keep_directory_times "$ts_dir" || return 1
	[ -f "$ts_dir/roots" ] || link_fragile "$ts_dir" || return 1
	note_mounts "$ts_dir"
}

# Calls FUNCTION DEST PREFIX PATH... for the paths on stdin, a hundred at a time.
in_chunks() {
	ic_function=$1 ic_dest=$2 ic_prefix=$3
	ic_end='' ic_code=0
	while [ -z "$ic_end" ]; do
		set --
		while [ $# -lt 100 ]; do
			IFS= read -r ic_path || {
				ic_end=1
				break
			}
			set -- "$@" "$ic_prefix$ic_path"
		done
		[ $# -eq 0 ] || "$ic_function" "$ic_dest" "$@" || ic_code=1
	done
	return "$ic_code"
}

# Copies paths with everything the userland can keep to below a directory.
copy_chunk() {
	cc_dest=$1
	shift
	cp -a --parents -- "$@" "$cc_dest" 2>/dev/null && return 0
	tar -cf - -- "$@" 2>/dev/null | tar -xpf - -C "$cc_dest"
}

keep_directory_times() {
	while IFS= read -r kd_path; do
		[ -d "$1/snap$kd_path" ] || mkdir -p "$1/snap$kd_path" || return 1
		touch -r "$kd_path" "$1/snap$kd_path" || return 1
	done <"$1/dirs"
}

# Keeps the very inode of files whose copy would not be the same: another name points to it, or the userland's cp
# loses ACLs, attributes and capabilities. Only for files that will be replaced by a rename; nothing that is
# written in place may be linked.
link_fragile() {
	: >"$1/linked"
	in_chunks link_chunk "$1" "" <"$1/files"
}

link_chunk() {
	lk_dir=$1
	shift
	stat -c '%h%n' -- "$@" >"$lk_dir/counts" || return 1
	while IFS=/ read -r lk_count lk_path; do
		if [ "$lk_count" = 1 ] && [ "$CP_KEEPS_ALL" = 1 ]; then continue; fi
		lk_parent=${lk_path%/*}
		[ "$lk_parent" != "$lk_path" ] || lk_parent=
		mkdir -p "$lk_dir/link/$lk_parent" || return 1
		# Another file system: then the copy is all there is, which the inspection has said.
		ln "/$lk_path" "$lk_dir/link/$lk_path" 2>/dev/null && printf '/%s\n' "$lk_path" >>"$lk_dir/linked"
	done <"$lk_dir/counts"
	rm -f "$lk_dir/counts"
}

# The mount points below which the paths lie: early at boot a path must not be written below an unmounted one.
note_mounts() {
	read_mounts
	nm_last=
	while IFS= read -r nm_path; do
		find_mount "$nm_path"
		[ "$MOUNT_POINT" = "$nm_last" ] || printf '%s\n' "$MOUNT_POINT"
		nm_last=$MOUNT_POINT
	done <"$1/paths" >"$1/mounts"
}

# Puts change $1 back: restores only what differs, in an order that survives being cut and repeated. What is
# still not as before stands in job/c/N/broken afterwards. $2 = mounted: leave out what isn't mounted yet.
restore_snapshot() {
	rs_dir=$JOB/c/$1
	[ -f "$rs_dir/before" ] || return 0
	universe "$rs_dir" "${2:-all}" || return 1
	list_paths "$rs_dir/now" <"$rs_dir/universe" || return 1
	compare_listings "$rs_dir/universe" "$rs_dir/before.here" "$rs_dir/now" >"$rs_dir/delta"
	: >"$rs_dir/broken"
	[ -s "$rs_dir/delta" ] || return 0
	: >"$rs_dir/restored" && durable "$rs_dir/restored" "$rs_dir"
	save_theirs "$rs_dir"
	remove_new "$rs_dir"
	remake_directories "$rs_dir"
	replace_files "$rs_dir"
	list_paths "$rs_dir/now" <"$rs_dir/universe"
	restore_times "$rs_dir"
	compare_listings "$rs_dir/universe" "$rs_dir/before.here" "$rs_dir/now" >"$rs_dir/broken"
	! [ -s "$rs_dir/broken" ]
}

# All paths the snapshot speaks for now: those of then, and what has come since below watched trees.
universe() {
	{
		cat "$1/paths"
		[ ! -f "$1/roots" ] || while IFS= read -r un_root; do walk_trees "$un_root"; done <"$1/roots"
	} | LC_ALL=C sort -u >"$1/universe" || return 1
	cp "$1/before" "$1/before.here"
	[ "$2" = mounted ] || return 0
	missing_mounts "$1" || return 0
	drop_below "$1/universe" && drop_below "$1/before.here"
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
		[ -z "$db_keep" ] || printf '%s\n' "$db_line"
	done <"$1" >"$1.kept" && mv -f "$1.kept" "$1"
}

# What somebody else wrote since is kept aside: neither the old content nor the one that we put there.
save_theirs() {
	[ -f "$1/manifest" ] || return 0
	: >"$1/theirs.list"
	while IFS=/ read -r st_meta st_path; do
		case $st_meta in 8???" "*) ;; *) continue ;; esac
		st_sum=${st_meta##* }
		grep -qF " $st_sum " "$1/manifest" && continue
		grep -qF "$st_sum/$st_path" "$1/before" && continue
		printf '/%s\n' "$st_path" >>"$1/theirs.list"
	done <"$1/now"
	[ -s "$1/theirs.list" ] || return 0
	mkdir -p "$TX/theirs" && in_chunks copy_chunk "$TX/theirs" "" <"$1/theirs.list"
	while IFS= read -r st_path; do
		journal "warning -- $st_path was changed by somebody else since; that version is kept in $TX/theirs"
	done <"$1/theirs.list"
}

# Children before parents; a directory that somebody filled since stays and is told.
remove_new() {
	LC_ALL=C sort -r "$1/delta" | while IFS=/ read -r rn_meta rn_path; do
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
	sd_low=${3#4}
	chown "$4:$5" "$1" 2>/dev/null
	chmod "$(printf '%o' "0x$sd_low")" "$1"
}

# Prepares the old files beside the record, makes them durable, then renames them into place.
replace_files() {
	rm -rf "$1/undo"
	mkdir -p "$1/undo"
	: >"$1/replace"
	while IFS=/ read -r rf_meta rf_path; do
		case $rf_meta in "missing 4"* | "differs 4"* | new*) continue ;; esac
		printf '/%s\n' "$rf_path" >>"$1/replace"
	done <"$1/delta"
	[ -s "$1/replace" ] || return 0
	(cd "$1/snap" && in_chunks copy_chunk ../undo . <"$1/replace")
	use_links "$1"
	in_chunks sync_chunk "$1/undo" "$1/undo" <"$1/replace"
	place_files "$1/undo" <"$1/replace"
	rm -rf "$1/undo"
}

# A linked inode is better than its copy, if nobody wrote into it.
use_links() {
	[ -s "$1/linked" ] || return 0
	while IFS= read -r ul_path; do
		[ -e "$1/undo$ul_path" ] || continue
		printf '%s\n' "$1/link$ul_path" | list_paths "$1/link.now"
		IFS=/ read -r ul_meta _ <"$1/link.now" || continue
		grep -qF "${ul_meta##* }$ul_path" "$1/before" || continue
		if [ "$1/link$ul_path" -ef "$ul_path" ]; then
			# The same inode is there already and only its attributes went astray; a rename onto itself does nothing.
			mv -f "$ul_path" "$ul_path.snapback.$$"
		fi
		ln -f "$1/link$ul_path" "$1/undo$ul_path" && touch -r "$1/snap$ul_path" "$1/undo$ul_path"
		rm -f "$ul_path.snapback.$$"
	done <"$1/linked"
}

sync_chunk() {
	shift
	for sc_path do
		shift
		[ -L "$sc_path" ] || set -- "$@" "$sc_path"
	done
	[ $# -eq 0 ] || durable "$@"
}

# Directories get their times back last, when nothing is renamed in them any more.
restore_times() {
	: >"$1/touched"
	while IFS= read -r rt_path; do
		[ -d "$rt_path" ] && [ -d "$1/snap$rt_path" ] && touch -r "$1/snap$rt_path" "$rt_path"
		[ ! -d "$rt_path" ] || printf '%s\n' "$rt_path" >>"$1/touched"
	done <"$1/dirs"
	in_chunks sync_chunk . "" <"$1/touched"
}
