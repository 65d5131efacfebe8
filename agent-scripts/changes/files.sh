# shellcheck shell=sh
# The kind "files": files, directories and symlinks that shall be as the manifest says.
#
# A manifest line is "ENTRY TYPE RAWMODE OCTAL OWNER GROUP SIZE SUM/path": TYPE is f, d or l; OWNER and GROUP are
# names, numbers or "-" (keep what is there); SUM as in a listing.

# Tells what would change, and writes job/c/N/differ (manifest lines with numeric owners) and job/c/N/delete.
files_inspect() {
	fi_dir=$JOB/c/$1
	while IFS=/ read -r fi_meta fi_path; do printf '/%s\n' "$fi_path"; done <"$fi_dir/manifest" >"$fi_dir/wanted"
	list_paths "$fi_dir/found" <"$fi_dir/wanted" || return 1
	: >"$fi_dir/differ"
	: >"$fi_dir/texts"
	fi_found=
	while IFS=/ read -r fi_meta fi_path <&3; do
		[ -n "$fi_found" ] || IFS= read -r fi_found <&4 || fi_found=
		fi_now=
		if [ -n "$fi_found" ] && [ "${fi_found#*/}" = "$fi_path" ]; then fi_now=${fi_found%%/*}; fi_found=; fi
		# shellcheck disable=SC2086 # words, split on purpose
		files_compare "$1" "/$fi_path" "$fi_now" $fi_meta || return 1
	done 3<"$fi_dir/manifest" 4<"$fi_dir/found"
	files_find_deletions "$1"
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
	printf '%s %s %s %s %s %s %s %s%s\n' "$1" "$2" "$3" "$4" "$fc_uid" "$fc_gid" "$7" "$8" "$fc_path" >>"$JOB/c/$fc_n/differ"
}

# files_same "ENTRY TYPE RAW SUM" RAW UID GID SIZE MTIME SUM: whether what is there is as wanted. Owners that the
# manifest keeps become those that are there.
files_same() {
	[ "$fc_uid" != - ] || fc_uid=$3
	[ "$fc_gid" != - ] || fc_gid=$4
	case $1 in
	*" l "*) fs_want="${1##* }" fs_have="$7" ;;
	*" d "*) fs_want="${1#* d }" fs_have="$2 -" fs_want="${fs_want%% *} -" ;;
	*) fs_want="${1#* f }" fs_have="$2 $7" ;;
	esac
	[ "$fs_want $fc_uid $fc_gid" = "$fs_have $3 $4" ]
}

# files_report N ENTRY PATH RAW UID GID SIZE MTIME SUM
files_report() {
	fr_target=
	[ "$7" = - ] || REPLACED_BYTES=$((REPLACED_BYTES + $7))
	[ ! -L "$3" ] || fr_target=$(readlink "$3")
	report "path n=$1 e=$2 raw=$4 uid=$5 gid=$6 size=${7#-} sum=$9 -- $fr_target"
	# Texts for the diff: regular files up to 64 KiB.
	case $4 in 8???) [ "$7" -gt 65536 ] || printf '%s %s\n' "$2" "$3" >>"$JOB/c/$1/texts" ;; esac
}

# Sets OWNER_ID for a name, a number or "-".
numeric_owner() {
	OWNER_ID=$1
	case $1 in - | *[!0-9]*) ;; *) return 0 ;; esac
	[ "$1" != - ] || return 0
	while IFS=: read -r no_name _ no_id _; do
		if [ "$no_name" = "$1" ]; then
			OWNER_ID=$no_id
			return 0
		fi
	done <"$2"
	case $3 in
	-u) OWNER_ID=$(id -u "$1" 2>/dev/null) && return 0 ;;
	*) OWNER_ID=$(getent group "$1" 2>/dev/null | cut -d: -f3) && [ -n "$OWNER_ID" ] && return 0 ;;
	esac
	WHY="there is no user or group '$1' on this host"
	return 1
}

# What a purge would delete: everything below its directories that the manifest doesn't name.
files_find_deletions() {
	fd_dir=$JOB/c/$1
	: >"$fd_dir/delete"
	[ -s "$fd_dir/purge" ] || return 0
	while IFS= read -r fd_root; do
		[ ! -d "$fd_root" ] || find "$fd_root" -xdev ! -path "$fd_root" -print
	done <"$fd_dir/purge" | LC_ALL=C sort -u >"$fd_dir/below"
	LC_ALL=C sort "$fd_dir/wanted" >"$fd_dir/wanted.sorted"
	LC_ALL=C comm -23 "$fd_dir/below" "$fd_dir/wanted.sorted" >"$fd_dir/delete"
	while IFS= read -r fd_path; do
		[ -e "$fd_path" ] || [ -L "$fd_path" ] || {
			WHY="a file name below a purged directory holds a newline"
			return 1
		}
		report "delete n=$1 -- $fd_path"
	done <"$fd_dir/delete"
}

# Tells the texts of what would be replaced, for the diff: one grep for all, each line behind its path.
files_tell_texts() {
	[ -s "$JOB/c/$1/texts" ] || return 0
	set -- "$1"
	while IFS=' ' read -r _ ft_path; do set -- "$@" "$ft_path"; done <"$JOB/c/$1/texts"
	ft_n=$1
	shift
	tell "texts n=$ft_n"
	{ grep -aH '' -- "$@" /dev/null 2>/dev/null || grep -H '' -- "$@" /dev/null 2>/dev/null; } |
		tr -d '\000' | sed "s/^/@snapback:$NONCE | /"
}

# Everything the change will touch, sorted: entries, deletions, and the directories they lie in.
files_paths() {
	fp_dir=$JOB/c/$1
	{
		while IFS=/ read -r _ fp_path; do printf '/%s\n' "$fp_path"; done <"$fp_dir/differ"
		cat "$fp_dir/delete"
	} >"$fp_dir/touched"
	while IFS= read -r fp_path; do
		printf '%s\n' "$fp_path"
		fp_up=${fp_path%/*}
		while [ -n "$fp_up" ] && [ "$fp_up" != "${fp_seen:-}" ]; do
			printf '%s\n' "$fp_up"
			# Above the first directory that exists nothing is touched.
			[ ! -d "$fp_up" ] || break
			fp_up=${fp_up%/*}
		done
		fp_seen=${fp_path%/*}
	done <"$fp_dir/touched" | LC_ALL=C sort -u >"$fp_dir/paths"
}

# Checks what was staged and gives it its owners, before anything is armed.
files_stage() {
	fg_dir=$JOB/c/$1
	: >"$fg_dir/place"
	: >"$fg_dir/sums"
	while IFS=/ read -r fg_meta fg_path; do
		# shellcheck disable=SC2086 # words, split on purpose
		set -- $fg_meta
		[ "$2" != d ] || continue
		if [ "$2" = f ] && [ -d "/$fg_path" ] && ! [ -L "/$fg_path" ]; then
			WHY="/$fg_path is a directory where a file is wanted"
			return 1
		fi
		printf '/%s\n' "$fg_path" >>"$fg_dir/place"
		printf '%s %s %s/%s\n' "$8" "${5#-}" "${6#-}" "$fg_path" >>"$fg_dir/sums"
	done <"$fg_dir/differ"
	while IFS= read -r fg_path; do printf '%s\n' "$fg_dir/tree$fg_path"; done <"$fg_dir/place" >"$fg_dir/staged.paths"
	list_paths "$fg_dir/staged" <"$fg_dir/staged.paths" || return 1
	files_check_staged "$fg_dir" || return 1
	LC_ALL=C sort -o "$fg_dir/place" "$fg_dir/place"
	in_chunks sync_chunk . "$fg_dir/tree" <"$fg_dir/place"
}

files_check_staged() {
	while IFS=/ read -r fk_want fk_path <&3; do
		# shellcheck disable=SC2086 # words, split on purpose
		set -- "$1" $fk_want
		IFS=/ read -r fk_have _ <&4 || fk_have=
		if [ "${fk_have##* }" != "$2" ]; then
			WHY="/$fk_path did not arrive whole, or changed while it was sent"
			return 1
		fi
		[ "$UID_NOW" = 0 ] || continue
		fk_owner=${3:-0}:${4:-0}
		# shellcheck disable=SC2086
		case "$(printf '%s' "$fk_have" | cut -d' ' -f2,3)" in "${fk_owner%:*} ${fk_owner#*:}") continue ;; esac
		chown -h "$fk_owner" "$1/tree/$fk_path" || return 1
		# chown takes suid and sgid away.
		[ -L "$1/tree/$fk_path" ] || chmod "0${5:-}" "$1/tree/$fk_path" 2>/dev/null || :
	done 3<"$1/sums" 4<"$1/staged"
}

files_snapshot() {
	files_paths "$1" && take_snapshot "$1"
}

# Puts the new files in place. Stops where something isn't what was snapshotted.
files_apply() {
	fa_dir=$JOB/c/$1
	list_meta "$fa_dir" || return 1
	while IFS=/ read -r fa_meta fa_path; do
		# shellcheck disable=SC2086 # words, split on purpose
		case $fa_meta in *" d "*) files_make_directory "/$fa_path" $fa_meta || return 1 ;; esac
	done <"$fa_dir/differ"
	while IFS= read -r fa_path; do
		[ -d "${fa_path%/*}" ] || mkdir -p "${fa_path%/*}" || return 1
	done <"$fa_dir/place"
	if ! place_files "$fa_dir/tree" <"$fa_dir/place"; then
		WHY="a file could not be put in place"
		return 1
	fi
	files_delete "$fa_dir"
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
	[ -d "$1" ] || mkdir -p "$1" || return 1
	chmod "$5" "$1" || return 1
	[ "$UID_NOW" = 0 ] || return 0
	fm_uid=${6#-} fm_gid=${7#-}
	[ -z "$fm_uid$fm_gid" ] || chown "${fm_uid}:${fm_gid}" "$1"
}

files_delete() {
	[ -s "$1/delete" ] || return 0
	LC_ALL=C sort -r "$1/delete" | while IFS= read -r fl_path; do
		if [ -d "$fl_path" ] && ! [ -L "$fl_path" ]; then rmdir "$fl_path"; else rm -f "$fl_path"; fi
	done
}

files_undo() {
	restore_snapshot "$1" "$2"
}
