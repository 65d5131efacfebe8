# shellcheck shell=sh
# Listings: what is at some paths, one line each, cheap enough for thousands of files (one stat and one checksum
# run for a hundred of them).
#
# A line is "MODE UID GID SIZE MTIME HASH/path": MODE is the raw mode in hexadecimal (it holds the type), HASH is
# the SHA-256 of a file's content or, behind an L, of a symlink's target; behind a D stand a device's numbers.
# Directories have no size, time or hash: anybody may touch them. What doesn't exist has no line. Lines keep the
# order of the paths they were asked for. A second list can be had of the same paths, with what is about inodes:
# "NLINK DEVICE:INODE SIZE MTIME CTIME MODE/path".
#
# In every list of paths the byte 1 stands for a newline in a name.

# Reads paths on stdin, writes a listing to a file, and the second list to another one.
list_paths() {
	lp_out=$1 lp_more=${2:-/dev/null}
	true >"$lp_out" && true >"$lp_more" && true >"$lp_out.stamp" || return 1
	lp_end=
	while [ -z "$lp_end" ]; do
		set --
		lp_odd=
		while [ $# -lt 100 ] && [ -z "$lp_odd" ]; do
			IFS= read -r lp_path || {
				lp_end=1
				break
			}
			case $lp_path in
			*"$ODD"*) lp_odd=$lp_path ;;
			*) set -- "$@" "$lp_path" ;;
			esac
		done
		# In a directory that lives, a file may go between the look at it and the sum of it: then once more.
		[ $# -eq 0 ] || list_chunk "$@" || list_chunk "$@" || list_chunk "$@" || return 1
		[ -z "$lp_odd" ] || list_odd "$lp_odd" || list_odd "$lp_odd" || return 1
	done
}

# Only the second list, to a file: no content is read.
list_inodes() {
	LIST_QUICKLY=1
	list_paths "$1.unused" "$1"
	li_code=$?
	LIST_QUICKLY=
	return "$li_code"
}

list_chunk() {
	for lc_path do
		shift
		if [ -e "$lc_path" ] || [ -L "$lc_path" ]; then set -- "$@" "$lc_path"; fi
	done
	[ $# -gt 0 ] || return 0
	stat -c "$STAT_LINE%n" -- "$@" 2>/dev/null >"$lp_out.stat" || return 1
	true >"$lp_out.sum"
	true >"$lp_out.link"
	true >"$lp_out.big"
	[ -n "$LIST_QUICKLY" ] || { sum_files && sum_links; } || return 1
	join_listing && put "${JOINED%?}" >>"$lp_out" && put "${JOINED_MORE%?}" >>"$lp_more"
}

# A path with a newline in it is looked at alone: in what a tool says of many it could not be told apart.
list_odd() {
	real "$1"
	if ! [ -e "$REAL" ] && ! [ -L "$REAL" ]; then return 0; fi
	lo_stat=$(stat -c "$STAT_LINE" -- "$REAL" 2>/dev/null) || return 1
	case $lo_stat in
	8???" "*) [ -n "$LIST_QUICKLY" ] && lo_sum=- || lo_sum=$(sha256sum <"$REAL") || return 1 ;;
	a???" "*) lo_sum=$(readlink "$REAL" | sha256sum) || return 1 ;;
	*) lo_sum=- ;;
	esac
	# shellcheck disable=SC2086 # numbers, split on purpose
	set_lines "${lo_sum%%" "*}" "$1" $lo_stat
	put "$LINE" >>"$lp_out" && put "$LINE_MORE" >>"$lp_more"
}

# Sums of the regular files of lp_out.stat; those of big ones apart.
sum_files() {
	set --
	sf_big=
	while IFS=/ read -r sf_meta sf_path; do
		case $sf_meta in 8???" "*) ;; *) continue ;; esac
		if is_big "$sf_meta"; then sf_big=1; else set -- "$@" "/$sf_path"; fi
	done <"$lp_out.stat"
	if [ $# -gt 0 ]; then sha256sum -- "$@" 2>/dev/null >"$lp_out.sum" || return 1; fi
	[ -z "$sf_big" ] || sum_big_files
}

# Ten megabytes and more. Counted in digits: some shells can't count that far.
is_big() {
	ib_size=${1#* * * }
	ib_size=${ib_size%%" "*}
	[ "${#ib_size}" -ge 8 ]
}

# A big file is read once: as long as its inode, size and both times are the same, so is its content.
sum_big_files() {
	while IFS=/ read -r sb_meta sb_path; do
		case $sb_meta in 8???" "*) is_big "$sb_meta" || continue ;; *) continue ;; esac
		set_identity "$sb_meta"
		if ! find_sum "$IDENTITY"; then
			SUM=$(sha256sum <"/$sb_path") && SUM=${SUM%%" "*} && [ -n "$SUM" ] || return 1
			! is_settled "/$sb_path" || keep_sum "$IDENTITY" "$SUM"
		fi
		put "$SUM"
	done <"$lp_out.stat" >"$lp_out.big"
}

# Whether a file is still what it was before it was read, and was not changed so lately that one more change need
# not show in its times.
is_settled() {
	is_then=$(stat -c %Y "$lp_out.stamp") && is_now=$(stat -c "$STAT_LINE" -- "$1" 2>/dev/null) || return 1
	is_old=$IDENTITY
	set_identity "$is_now"
	is_changed=${IDENTITY##* }
	[ "$IDENTITY" = "$is_old" ] && [ $((is_then - ${is_changed%.*})) -ge 2 ]
}

# Sets IDENTITY to "DEVICE:INODE SIZE MTIME CTIME" from what stat said.
set_identity() {
	# shellcheck disable=SC2086 # numbers, split on purpose
	set -- $1
	IDENTITY="$7 $4 $5 $8"
}

# Sets SUM of a known IDENTITY.
find_sum() {
	[ -s "$STATE_DIR/sums" ] || return 1
	while read -r fs_inode fs_size fs_mtime fs_ctime SUM; do
		[ "$fs_inode $fs_size $fs_mtime $fs_ctime" != "$1" ] || return 0
	done <"$STATE_DIR/sums"
	return 1
}

# The last hundred are kept; losing one costs a read.
keep_sum() {
	{
		put "$1 $2"
		[ ! -f "$STATE_DIR/sums" ] || head -n 99 "$STATE_DIR/sums"
	} >"$STATE_DIR/sums.$$" && mv -f "$STATE_DIR/sums.$$" "$STATE_DIR/sums"
}

# Linking or renaming a big file, which we did ourselves, changes nothing but the last of its times.
keep_known_sums() {
	shift
	[ -s "$STATE_DIR/sums" ] || return 0
	for kk_path do
		kk_stat=$(stat -c "$STAT_LINE" -- "$kk_path" 2>/dev/null) && is_big "$kk_stat" || continue
		set_identity "$kk_stat"
		! find_sum "$IDENTITY" || continue
		while read -r kk_inode kk_size kk_mtime _ kk_sum; do
			[ "$kk_inode $kk_size $kk_mtime" = "${IDENTITY% *}" ] || continue
			keep_sum "$IDENTITY" "$kk_sum"
			break
		done <"$STATE_DIR/sums"
	done
}

# Sums of the targets of the symlinks of lp_out.stat: each target into a file of its own, one checksum run over all.
sum_links() {
	set --
	while IFS=/ read -r sl_meta sl_path; do
		case $sl_meta in a???" "*) set -- "$@" "/$sl_path" ;; esac
	done <"$lp_out.stat"
	[ $# -gt 0 ] || return 0
	rm -rf "$lp_out.targets" && mkdir "$lp_out.targets" || return 1
	write_targets "$@" || write_each_target "$@" || return 1
	sha256sum "$lp_out.targets"/1* >"$lp_out.link"
}

# One stat tells them all, unless a newline is in one.
write_targets() {
	QUOTING_STYLE=literal stat -c %N -- "$@" 2>/dev/null >"$lp_out.targets/said" || return 1
	{
		wt_n=1000
		for wt_path do
			wt_n=$((wt_n + 1))
			IFS= read -r wt_line || return 1
			case $wt_line in
			"$wt_path -> "*) wt_line=${wt_line#"$wt_path -> "} ;;
			"'$wt_path' -> '"*"'") wt_line=${wt_line#"'$wt_path' -> '"} && wt_line=${wt_line%"'"} ;;
			*) return 1 ;;
			esac
			put "$wt_line" >"$lp_out.targets/$wt_n"
		done
		! IFS= read -r wt_line
	} <"$lp_out.targets/said"
}

write_each_target() {
	wt_n=1000
	for wt_path do
		wt_n=$((wt_n + 1))
		readlink "$wt_path" >"$lp_out.targets/$wt_n" || return 1
	done
}

# Sets JOINED and JOINED_MORE to the lines. All inputs are in the same order, so one pass over them is enough.
join_listing() {
	JOINED='' JOINED_MORE=''
	while IFS=/ read -r jl_meta jl_path <&3; do
		jl_sum=-
		[ -n "$LIST_QUICKLY" ] || case $jl_meta in
		8???" "*)
			if is_big "$jl_meta"; then
				IFS= read -r jl_sum <&6 || return 1
			else
				IFS= read -r jl_sum <&4 || return 1
				# A name with a backslash makes sha256sum mark its line with one and escape the name.
				case $jl_sum in \\* | *"  /$jl_path") ;; *) return 1 ;; esac
				jl_sum=${jl_sum#\\}
			fi
			;;
		a???" "*) IFS= read -r jl_sum <&5 || return 1 ;;
		esac
		# shellcheck disable=SC2086 # numbers, split on purpose
		set_lines "${jl_sum%%" "*}" "/$jl_path" $jl_meta
		JOINED="$JOINED$LINE
"
		JOINED_MORE="$JOINED_MORE$LINE_MORE
"
	done 3<"$lp_out.stat" 4<"$lp_out.sum" 5<"$lp_out.link" 6<"$lp_out.big"
}

# set_lines SUM PATH MODE UID GID SIZE MTIME NLINK INODE CTIME DEVICE
set_lines() {
	case $3 in
	8???) LINE="$3 $4 $5 $6 $7 $1$2" ;;
	a???) if [ "$CP_KEEPS_ALL" = 1 ]; then LINE="$3 $4 $5 - $7 L$1$2"; else LINE="$3 $4 $5 - - L$1$2"; fi ;;
	2??? | 6???) LINE="$3 $4 $5 - - D${11}$2" ;;
	*) LINE="$3 $4 $5 - - -$2" ;;
	esac
	LINE_MORE="$8 $9 $6 $7 ${10} $3$2"
}

# compare_listings PATHS BEFORE NOW: prints "new|missing|differs META/path" for each path that isn't the same, with
# the META of before, or of now for what is new. All three files are in the same order of paths.
compare_listings() {
	cl_before='' cl_now=''
	while IFS= read -r cl_path <&3; do
		[ -n "$cl_before" ] || IFS= read -r cl_before <&4 || cl_before=
		[ -n "$cl_now" ] || IFS= read -r cl_now <&5 || cl_now=
		cl_was='' cl_is=''
		if [ -n "$cl_before" ] && [ "/${cl_before#*/}" = "$cl_path" ]; then
			cl_was=${cl_before%%/*}
			cl_before=
		fi
		if [ -n "$cl_now" ] && [ "/${cl_now#*/}" = "$cl_path" ]; then
			cl_is=${cl_now%%/*}
			cl_now=
		fi
		[ "$cl_was" = "$cl_is" ] && continue
		if [ -z "$cl_was" ]; then
			put "new $cl_is$cl_path" || return 1
		elif [ -z "$cl_is" ]; then
			put "missing $cl_was$cl_path" || return 1
		else
			put "differs $cl_was$cl_path" || return 1
		fi
	done 3<"$1" 4<"$2" 5<"$3" || return 1
}

# lines_of_paths LIST FROM: prints the lines of FROM whose paths LIST has. Both are in the same order, and FROM has
# all that LIST has.
lines_of_paths() {
	while IFS=/ read -r _ lo_path <&3; do
		while IFS= read -r lo_line <&4; do
			[ "${lo_line#*/}" = "$lo_path" ] || continue
			put "$lo_line" || return 1
			break
		done
	done 3<"$1" 4<"$2"
}

# The paths of trees, our own state left out: it must not be part of what it puts back.
walk_trees() {
	for wt_root do
		if [ -e "$wt_root" ] || [ -L "$wt_root" ]; then
			find "$wt_root" -xdev -path "$STATE_DIR" -prune -o -print0 | tr '\012\000' '\001\012'
		else
			put "$wt_root"
		fi
	done
}

# Refuses trees (one a line in a file) in which a name holds the byte that stands for a newline in our lists.
no_broken_names() {
	while IFS= read -r nb_root; do
		[ -d "$nb_root" ] || continue
		[ -z "$(find "$nb_root" -xdev -path "$STATE_DIR" -prune -o -name "*$ODD*" -print)" ] || {
			WHY="a file name below $nb_root holds the control character 1, which the guard can't tell from a newline: rename that file"
			return 1
		}
	done <"$1"
}
