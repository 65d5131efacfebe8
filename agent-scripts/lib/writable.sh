# shellcheck shell=sh
# Whether what a change wants can be put in place here, and be undone: asked before anything is armed.

# Refuses what can't be written: sets WHY and fails. Goes by job/c/N/differ and delete.
check_writable() {
	cw_dir=$JOB/c/$1 cw_parent=-
	[ -s "$cw_dir/differ" ] || [ -s "$cw_dir/delete" ] || return 0
	read_mounts
	find_file_mounts
	true >"$cw_dir/flagged"
	read_lines "$cw_dir/differ"
	split_on_lines
	for cw_line in $ROWS; do
		split_on_words
		check_place_of "/${cw_line#*/}" "${cw_line%%/*}" || return 1
	done
	split_on_words
	while IFS= read -r cw_path; do
		check_place_of "$cw_path" delete || return 1
	done <"$cw_dir/delete"
	# Flags are looked at for the plan alone: another process for each `begin` would be dear for what hardly ever changes.
	[ "$VERB" = inspect ] && command -v lsattr >/dev/null 2>&1 || return 0
	in_chunks check_flags "$cw_dir/flags" "" <"$cw_dir/flagged"
}

# Sets FILE_MOUNTS to the mount points that are no directories, one a line: nothing can be renamed over them.
find_file_mounts() {
	FILE_MOUNTS='
'
	ff_ifs=$IFS
	IFS='
'
	set -f
	for ff_line in $MOUNTS; do
		ff_point=${ff_line%% *}
		[ -d "$ff_point" ] || FILE_MOUNTS=$FILE_MOUNTS$ff_point'
'
	done
	set +f
	IFS=$ff_ifs
}

is_file_mount() {
	case ${FILE_MOUNTS:-} in *"
$1
"*) return 0 ;; esac
	return 1
}

# check_place_of PATH META: META is a line of the manifest, or "delete".
check_place_of() {
	if is_file_mount "$1"; then
		case $2 in
		*" f "*) check_mounted "$1" "$1" ;;
		*)
			WHY="$1 is a mount point: it can be written, but neither deleted nor replaced by anything else"
			return 1
			;;
		esac
		return
	fi
	case $2 in
	*" d "*) if [ -d "$1" ]; then check_folder "$1" "$1" && return 0 || return 1; fi ;;
	esac
	check_folder "${1%/*}" "$1" || return 1
	# A link has no flags, and asking would follow it.
	if { [ -f "$1" ] || [ -d "$1" ]; } && ! [ -L "$1" ]; then put "$1" >>"$cw_dir/flagged"; fi
}

# check_folder FOLDER PATH: neighbours in a manifest mostly lie in the same folder, which is asked once.
check_folder() {
	[ "$1" != "$cw_parent" ] || return 0
	cw_parent=$1
	cf_folder=${1:-/}
	until [ -d "$cf_folder" ]; do
		cf_folder=${cf_folder%/*}
		cf_folder=${cf_folder:-/}
	done
	if has_link "$cf_folder"; then cf_folder=$(cd -P -- "$cf_folder" && pwd -P) || return 1; fi
	put "$cf_folder" >>"$cw_dir/flagged"
	check_mounted "$cf_folder" "$2"
}

# check_mounted WHERE PATH: whether the file system that WHERE lies on may be written.
check_mounted() {
	find_mount "$1"
	case ,$MOUNT_FLAGS,$MOUNT_OPTIONS, in *,ro,*)
		WHY="$2 can't be changed: the file system at $MOUNT_POINT is mounted read-only; make it writable, or leave the path out"
		return 1
		;;
	esac
}

# Immutable and append-only files can be neither replaced nor put back, nor can what lies in such a folder.
check_flags() {
	ck_list=$1
	shift
	lsattr -d -- "$@" 2>/dev/null >"$ck_list"
	while IFS=' ' read -r ck_flags ck_path; do
		case $ck_flags in
		*i*) ck_flag=i ck_word=immutable ;;
		*a*) ck_flag=a ck_word=append-only ;;
		*) continue ;;
		esac
		WHY="$ck_path is $ck_word, so neither the change nor its undo could write there: chattr -$ck_flag $ck_path"
		return 1
	done <"$ck_list"
}

# What can be written, but not as well as elsewhere. Told with the plan.
tell_mount_limits() {
	find_file_mounts
	[ "$FILE_MOUNTS" != '
' ] || return 0
	for tm_list in "$JOB"/c/*/differ "$JOB"/c/*/watch; do
		[ -s "$tm_list" ] || continue
		while IFS=/ read -r _ tm_path; do
			! is_file_mount "/$tm_path" || tell "limit kind=mount_point -- /$tm_path is a mount point: it is written in place, so a reader may see half of it, and after a power cut in that moment the undo at boot completes it once it is mounted"
		done <"$tm_list"
	done
}
