# shellcheck shell=sh
# Snapshots: taking what is. That of change N lies in job/c/N:
#   paths    every path it speaks for, sorted            before   their listing
#   roots    trees that are watched whole (may be absent) dirs     "MTIME/path" of the directories
#   snap/    copies, as a tree that a person can read    link/    hard links, where a copy would lose something
#   mounts   the mount points below which the paths lie  linked   the paths below link/
#   changed  "CTIME/path" of watched files               twins    "DEVICE:INODE/path" of what has several names
#   dirs.tar the directories' ACLs and attributes, where one may be removed or changed

# Takes the snapshot of change $1 from its paths and roots.
take_snapshot() {
	ts_dir=$JOB/c/$1
	[ -d "$ts_dir/snap" ] || mkdir "$ts_dir/snap" || return 1
	list_paths "$ts_dir/before" "$ts_dir/before.more" <"$ts_dir/paths" || return 1
	sort_out "$ts_dir" && link_files "$ts_dir" || return 1
	in_chunks copy_chunk "$ts_dir/snap" . <"$ts_dir/files" || return 1
	without_ways "$ts_dir/snap" <"$ts_dir/links" >"$ts_dir/links.here"
	in_chunks copy_chunk "$ts_dir/snap" . <"$ts_dir/links.here" || return 1
	keep_directories "$ts_dir"
	[ ! -f "$ts_dir/roots" ] || note_flags "$ts_dir" || return 1
	note_mounts "$ts_dir"
}

# Sorts what is there: what to copy (files), what to link (want), directories, what has several names, and the change
# times of watched files, since what alters attributes or an ACL alone shows nowhere else.
#
# Linked is what a copy would not be the same as: another name points to it, or the userland's cp loses ACLs,
# attributes and capabilities; and what is big, where a link is enough. Only what will be replaced by a rename may be
# linked, and nothing that is written in place.
#
# Symlinks stand apart and come last: one that was there already when something below its path is copied would lead
# that copy out of our tree.
sort_out() {
	so_watched='' so_changed=/dev/null
	[ ! -f "$1/roots" ] || so_watched=1 so_changed=$1/changed
	each_line sort_line <"$1/before.more" >"$1/files" 3>"$1/dirs" 4>"$so_changed" 5>"$1/twins" 6>"$1/want" \
		7>"$1/links" 8>"$1/want.links"
}

# sort_line "NLINK INODE SIZE MTIME CTIME MODE/path"
sort_line() {
	so_path=/${1#*/}
	# shellcheck disable=SC2086 # words, split on purpose
	set -- ${1%%/*}
	case $6 in
	4???)
		put "$4$so_path" >&3
		return
		;;
	8???) [ -z "$so_watched" ] || put "$5$so_path" >&4 ;;
	esac
	[ "$1" = 1 ] || put "$2$so_path" >&5
	if [ "${6#a}" != "$6" ]; then
		put "$so_path" >&7
		[ -n "$so_watched" ] || [ "$1$CP_KEEPS_ALL" = 11 ] || put "small$so_path" >&8
	elif [ -n "$so_watched" ]; then
		put "$so_path"
	elif [ "${#3}" -ge 8 ]; then
		put "big$so_path" >&6
	else
		put "$so_path"
		if [ "$1" != 1 ]; then put "many$so_path" >&6; elif [ "$CP_KEEPS_ALL" != 1 ]; then put "small$so_path" >&6; fi
	fi
}

# Prints the paths on stdin but for those that are directories below TREE: a symlink that leads to a path of ours is a
# way there, and nothing that we change.
without_ways() {
	while IFS= read -r ww_path; do
		real "$1$ww_path"
		[ -d "$REAL" ] && ! [ -L "$REAL" ] || put "$ww_path"
	done
}

# Copies paths with everything the userland can keep to below a directory. The paths are relative ("./etc/x"): some
# versions of GNU cp lose the times of the parents, and fail, when absolute ones are copied with --parents.
copy_chunk() {
	cc_dest=$1
	shift
	cp -a --parents -- "$@" "$cc_dest" 2>/dev/null && return 0
	tar -cf - -- "$@" 2>/dev/null | tar -xpf - -C "$cc_dest" 2>/dev/null
}

# Directories that are only written into need no more than their times. Others have ACLs and attributes, which no
# POSIX tool tells; where cp keeps those, tar mostly does as well, and where it doesn't, this can't be had.
keep_directories() {
	[ ! -e "$1/dirs.tar" ] || rm -f "$1/dirs.tar"
	[ "$CP_KEEPS_ALL" = 1 ] && may_lose_directories "$1" || return 0
	while IFS=/ read -r _ kd_path; do
		[ -z "$kd_path" ] || put "./$kd_path"
	done <"$1/dirs" | tr '\012\001' '\000\012' >"$1/dirs.names"
	attribute_tar -C / -cf "$1/dirs.tar" --null -T "$1/dirs.names" || rm -f "$1/dirs.tar"
}

may_lose_directories() {
	[ ! -f "$1/roots" ] && [ ! -s "$1/delete" ] || return 0
	while IFS= read -r ml_line; do
		case $ml_line in *" d "*) return 0 ;; esac
	done <"$1/differ"
	return 1
}

# Names stand in lists as they are; a directory stands for itself alone.
attribute_tar() {
	tar --numeric-owner --acls --xattrs '--xattrs-include=*' --no-recursion --verbatim-files-from --no-unquote \
		"$@" 2>/dev/null
}

# Links what is wanted, from within the directory that it lies in: by its whole path somebody could lead us to another
# file, which a link would leave a mark on. What is big and can't be linked (it is on another file system) is copied after all.
link_files() {
	true >"$1/linked"
	true >"$1/link.big"
	[ ! -s "$1/want.links" ] || cat "$1/want.links" >>"$1/want"
	[ -s "$1/want" ] || return 0
	lk_in=- lk_entered=
	while IFS=/ read -r lk_size lk_path; do
		lk_up=/$lk_path
		lk_up=${lk_up%/*}
		if [ "$lk_up" != "$lk_in" ]; then
			lk_in=$lk_up
			enter "$lk_up" && lk_entered=1 || lk_entered=
		fi
		real "/$lk_path"
		[ -d "$1/link${REAL%/*}" ] || mkdir -p "$1/link${REAL%/*}" || return 1
		if [ -n "$lk_entered" ] && ! [ -d "$1/link$REAL" ] && ln "./${REAL##*/}" "$1/link$REAL" 2>/dev/null; then
			put "/$lk_path" >&3
			[ "$lk_size" != big ] || put "$1/link/$lk_path" >&4
		else
			case $lk_size in
			big) put "/$lk_path" >&5 ;;
			many) may_lose_links "/$lk_path" || return 1 ;;
			esac
		fi
	done <"$1/want" 3>"$1/linked" 4>"$1/link.big" 5>>"$1/files"
	cd / || return 1
	LC_ALL=C sort -o "$1/linked" "$1/linked"
	are_links_ours "$1" || return 1
	[ -s "$1/link.big" ] || return 0
	in_chunks keep_known_sums "" "" <"$1/link.big"
	show_big "$1"
}

# Whoever may rename a directory above a file could have led us to link another one, whose owner and mode the undo
# would then set: so a link must be to the inode that was listed.
are_links_ours() {
	while IFS= read -r al_path; do put "$1/link$al_path"; done <"$1/linked" >"$1/link.paths"
	in_chunks inode_chunk "" "" <"$1/link.paths" >"$1/link.inodes" || return 1
	while IFS= read -r al_path <&3; do
		IFS= read -r al_inode <&4 || return 1
		while IFS=/ read -r al_meta al_name <&5; do
			[ "/$al_name" != "$al_path" ] || break
		done
		case $al_meta in *" $al_inode "*) ;; *)
			WHY="$al_path was changed by somebody else while its snapshot was taken"
			return 1
			;;
		esac
	done 3<"$1/linked" 4<"$1/link.inodes" 5<"$1/before.more"
}

inode_chunk() {
	shift
	stat -c %d:%i -- "$@" 2>/dev/null
}

# Where people look for them.
show_big() {
	while IFS= read -r sb_path; do
		real "${sb_path#"$1/link"}"
		mkdir -p "$1/snap${REAL%/*}" && ln "$1/link$REAL" "$1/snap$REAL" || return 1
	done <"$1/link.big"
}

# A copy can't be one of several names of a file. What is a mount point is written in place, and stays what it is.
may_lose_links() {
	! is_file_mount "$1" || return 0
	WHY="$1 has other names (hard links), and they can only be kept from a state on its own file system: mkdir -p /etc/snapback/state if that is /etc's, or leave the path out"
	return 1
}

# The mount points below which the paths lie: early at boot a path must not be written below an unmounted one.
note_mounts() {
	read_mounts
	nm_last=
	while IFS= read -r nm_path; do
		find_mount "$nm_path"
		[ "$MOUNT_POINT" = "$nm_last" ] || put "$MOUNT_POINT"
		nm_last=$MOUNT_POINT
	done <"$1/paths" >"$1/mounts"
}

# fsync of every file and directory below.
sync_tree() {
	sync_all "$LIST_COUNT" "$1" || find "$1" \( -type f -o -type d \) -exec sync {} +
}

# sync_all COUNT DIRECTORY: for hundreds of files one syncfs of the file system that they lie on is cheaper by far than
# an fsync for each. Fails where it isn't worth that, or where sync doesn't know it.
sync_all() {
	[ "$1" -ge 500 ] && sync -f "$2" 2>/dev/null
}

# fsync of paths that may be symlinks, whose target is none of our business.
sync_chunk() {
	shift
	for sy_path do
		shift
		[ -L "$sy_path" ] || ! [ -e "$sy_path" ] || set -- "$@" "$sy_path"
	done
	[ $# -eq 0 ] || durable "$@"
}
