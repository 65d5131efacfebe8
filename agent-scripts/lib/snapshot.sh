# shellcheck shell=sh
# Snapshots: taking what is. That of change N lies in job/c/N:
#   paths    every path it speaks for, sorted            before   their listing
#   roots    trees that are watched whole (may be absent) dirs     "MTIME/path" of the directories
#   snap/    copies, as a tree that a person can read    link/    hard links, where a copy would lose something
#   mounts   the mount points below which the paths lie  linked   the paths below link/
#   changed  "CTIME/path" of watched files
#   dirs.tar the directories' ACLs and attributes, where one may be removed or changed

# Takes the snapshot of change $1 from its paths and roots.
take_snapshot() {
	ts_dir=$JOB/c/$1
	[ -d "$ts_dir/snap" ] || mkdir "$ts_dir/snap" || return 1
	list_paths "$ts_dir/before" <"$ts_dir/paths" || return 1
	while IFS=/ read -r _ ts_path; do put "/$ts_path"; done <"$ts_dir/before" >"$ts_dir/there"
	in_chunks kind_chunk "" "" <"$ts_dir/there" >"$ts_dir/kinds" || return 1
	true >"$ts_dir/many"
	while IFS=/ read -r ts_meta ts_path; do
		case $ts_meta in
		4???" "*) put "${ts_meta##* }/$ts_path" >&3 ;;
		*" 1 "*) put "/$ts_path" ;;
		*)
			put "/$ts_path"
			put "/$ts_path" >>"$ts_dir/many"
			;;
		esac
	done <"$ts_dir/kinds" >"$ts_dir/files" 3>"$ts_dir/dirs"
	in_chunks copy_chunk "$ts_dir/snap" . <"$ts_dir/files" || return 1
	keep_directories "$ts_dir"
	if [ -f "$ts_dir/roots" ]; then
		note_changed "$ts_dir" && note_flags "$ts_dir" || return 1
	else
		link_fragile "$ts_dir" || return 1
	fi
	note_mounts "$ts_dir"
}

# Calls FUNCTION DEST PREFIX+PATH... for the paths on stdin, a hundred at a time.
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

# Copies paths with everything the userland can keep to below a directory. The paths are relative ("./etc/x"): some
# versions of GNU cp lose the times of the parents, and fail, when absolute ones are copied with --parents.
copy_chunk() {
	cc_dest=$1
	shift
	cp -a --parents -- "$@" "$cc_dest" 2>/dev/null && return 0
	tar -cf - -- "$@" 2>/dev/null | tar -xpf - -C "$cc_dest" 2>/dev/null
}

# Change times of watched files: what alters attributes or an ACL alone shows nowhere else.
note_changed() {
	while IFS= read -r nc_path; do
		if [ -f "$nc_path" ] && ! [ -L "$nc_path" ]; then put "$nc_path"; fi
	done <"$1/files" >"$1/regular" && in_chunks changed_chunk "" "" <"$1/regular" >"$1/changed"
}

changed_chunk() {
	shift
	stat -c %Z%n -- "$@"
}

kind_chunk() {
	shift
	stat -c "%f %h $STAT_MTIME%n" -- "$@"
}

time_chunk() {
	shift
	stat -c "$STAT_MTIME%n" -- "$@"
}

# Directories that are only written into need no more than their times. Others have ACLs and attributes, which no
# POSIX tool tells; where cp keeps those, tar mostly does as well, and where it doesn't, this can't be had.
keep_directories() {
	rm -f "$1/dirs.tar"
	[ "$CP_KEEPS_ALL" = 1 ] && may_lose_directories "$1" || return 0
	while IFS=/ read -r _ kd_path; do
		[ -z "$kd_path" ] || put "./$kd_path"
	done <"$1/dirs" >"$1/dirs.names"
	attribute_tar -cf "$1/dirs.tar" -T "$1/dirs.names" || rm -f "$1/dirs.tar"
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
		-C / "$@" 2>/dev/null
}

# Keeps the very inode of files whose copy would not be the same: another name points to it, or the userland's cp
# loses ACLs, attributes and capabilities. Only for files that will be replaced by a rename; nothing that is
# written in place may be linked.
link_fragile() {
	lk_list=$1/many
	[ "$CP_KEEPS_ALL" = 1 ] || lk_list=$1/files
	while IFS= read -r lk_path; do
		lk_parent=$1/link${lk_path%/*}
		[ -d "$lk_parent" ] || mkdir -p "$lk_parent" || return 1
		# Another file system: then the copy is all there is, which the inspection has said.
		if ln "$lk_path" "$1/link$lk_path" 2>/dev/null; then put "$lk_path"; else may_lose_links "$1" "$lk_path" || return 1; fi
	done <"$lk_list" >"$1/linked"
}

# A copy can't be one of several names of a file. What is a mount point is written in place, and stays what it is.
may_lose_links() {
	grep -qxF -e "$2" "$1/many" || return 0
	! is_file_mount "$2" || return 0
	WHY="$2 has other names (hard links), and they can only be kept from a state on its own file system: mkdir -p /etc/snapback/state if that is /etc's, or leave the path out"
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
	find "$1" \( -type f -o -type d \) -exec sync {} +
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
