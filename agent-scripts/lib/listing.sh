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
	in_chunks list_chunk "" "" list_odd
}

# Only the second list, to a file: no content is read.
list_inodes() {
	LIST_QUICKLY=1
	list_paths "$1.unused" "$1"
	li_code=$?
	LIST_QUICKLY=
	return "$li_code"
}

# In a directory that lives, a file may go between the look at it and the sum of it: then once more.
list_chunk() {
	shift
	LIST_COUNT=$((LIST_COUNT + $#))
	list_once "$@" || list_once "$@" || list_once "$@"
}

list_once() {
	lo_paths=''
	for lo_path do
		if [ -e "$lo_path" ] || [ -L "$lo_path" ]; then lo_paths=$lo_paths$lo_path$NL; fi
	done
	[ -n "$lo_paths" ] || return 0
	split_on_lines
	# shellcheck disable=SC2086 # paths, split on purpose
	LISTED=$(stat -c "$STAT_LINE%n" -- $lo_paths 2>/dev/null)
	lo_code=$?
	split_on_words
	[ "$lo_code" = 0 ] || return 1
	SUMS=''
	true >"$lp_out.link"
	true >"$lp_out.big"
	[ -n "$LIST_QUICKLY" ] || sum_files || return 1
	join_listing || return 1
	put "${JOINED%?}" >>"$lp_out" && put "${JOINED_MORE%?}" >>"$lp_more"
}

# A path with a newline in it is looked at alone.
list_odd() {
	list_odd_once "$1" || list_odd_once "$1"
}

list_odd_once() {
	real "$1"
	if ! [ -e "$REAL" ] && ! [ -L "$REAL" ]; then return 0; fi
	lo_stat=$(stat -c "$STAT_LINE" -- "$REAL" 2>/dev/null) || return 1
	case $lo_stat in
	8???" "*) [ -n "$LIST_QUICKLY" ] && lo_sum=- || lo_sum=$(sha256sum <"$REAL") || return 1 ;;
	a???" "*) lo_sum=$(readlink "$REAL" | sha256sum) || return 1 ;;
	*) lo_sum=- ;;
	esac
	set_lines "$lo_stat$1" "${lo_sum%%" "*}"
	put "$LINE" >>"$lp_out" && put "$LINE_MORE" >>"$lp_more"
}

# Sets SUMS to what sha256sum said of the regular files of LISTED; those of big ones and of links stand in files.
sum_files() {
	sf_small='' sf_big='' sf_links=''
	split_on_lines
	for sf_line in $LISTED; do
		case $sf_line in
		8???" "*) if is_big "$sf_line"; then sf_big=1; else sf_small=$sf_small/${sf_line#*/}$NL; fi ;;
		a???" "*) sf_links=$sf_links/${sf_line#*/}$NL ;;
		esac
	done
	# shellcheck disable=SC2086 # paths, split on purpose
	[ -z "$sf_small" ] || SUMS=$(sha256sum -- $sf_small 2>/dev/null)
	sf_code=$?
	# shellcheck disable=SC2086
	set -- $sf_links
	split_on_words
	[ "$sf_code" = 0 ] || return 1
	[ $# -eq 0 ] || sum_links "$@" || return 1
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
	split_on_lines
	# shellcheck disable=SC2086 # lines, split on purpose
	set -- $LISTED
	split_on_words
	for sb_line do
		case $sb_line in 8???" "*) is_big "$sb_line" || continue ;; *) continue ;; esac
		set_identity "$sb_line"
		if ! find_sum "$IDENTITY"; then
			SUM=$(sha256sum <"/${sb_line#*/}") && SUM=${SUM%%" "*} && [ -n "$SUM" ] || return 1
			! is_settled "/${sb_line#*/}" || keep_sum "$IDENTITY" "$SUM"
		fi
		put "$SUM"
	done >"$lp_out.big"
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
	IDENTITY=${1#*"|"*"|"* }
	IDENTITY=${IDENTITY%%/*}
	IDENTITY=${IDENTITY% *}
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

# Sums of the targets of symlinks: each target into a file of its own, one checksum run over all.
sum_links() {
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
	split_on_lines
	# shellcheck disable=SC2086 # lines, split on purpose
	set -- $SUMS
	# The words of the loop are split before its first round.
	for jl_line in $LISTED; do
		split_on_words
		jl_sum=-
		[ -n "$LIST_QUICKLY" ] || case $jl_line in
		8???" "*)
			if is_big "$jl_line"; then
				IFS= read -r jl_sum <&6 || return 1
			else
				jl_sum=${1:-}
				# A name with a backslash makes sha256sum mark its line with one and escape the name.
				case $jl_sum in \\* | *"  /${jl_line#*/}") ;; *) return 1 ;; esac
				shift
				jl_sum=${jl_sum#\\}
			fi
			;;
		a???" "*) IFS= read -r jl_sum <&5 || return 1 ;;
		esac
		set_lines "$jl_line" "${jl_sum%%" "*}"
		JOINED=$JOINED$LINE$NL
		JOINED_MORE=$JOINED_MORE$LINE_MORE$NL
	done 5<"$lp_out.link" 6<"$lp_out.big"
}

# set_lines STAT SUM: STAT is "MODE UID GID SIZE MTIME|DEVICE|NLINK INODE SIZE MTIME CTIME MODE/path".
set_lines() {
	LINE=${1%%"|"*} LINE_MORE=${1#*"|"*"|"}
	case $LINE in
	8???" "*) LINE="$LINE $2/${LINE_MORE#*/}" ;;
	a???" "*) if [ "$CP_KEEPS_ALL" = 1 ]; then LINE="${LINE% * *} - ${LINE##* } L$2/${LINE_MORE#*/}"; else LINE="${LINE% * *} - - L$2/${LINE_MORE#*/}"; fi ;;
	2???" "* | 6???" "*)
		sl_device=${1#*"|"}
		LINE="${LINE% * *} - - D${sl_device%%"|"*}/${LINE_MORE#*/}"
		;;
	*) LINE="${LINE% * *} - - -/${LINE_MORE#*/}" ;;
	esac
}

# compare_listings PATHS BEFORE NOW: prints "new|missing|differs META/path" for each path that isn't the same, with
# the META of before, or of now for what is new. All three files are in the same order of paths. Sets COMPARED to
# same or differs, so that an output that could not be written whole is not taken for sameness.
compare_listings() {
	COMPARED=same
	awk '
	function path(line) { return substr(line, index(line, "/")) }
	function meta(line) { return substr(line, 1, index(line, "/") - 1) }
	BEGIN { before = ARGV[2]; now = ARGV[3]; ARGC = 2 }
	{
		if (!b) b = (getline was < before) > 0
		if (!n) n = (getline is < now) > 0
		x = y = ""
		if (b && path(was) == $0) { x = meta(was); b = 0 }
		if (n && path(is) == $0) { y = meta(is); n = 0 }
		if (x == y) next
		differs = 9
		if (x == "") print "new " y $0
		else if (y == "") print "missing " x $0
		else print "differs " x $0
	}
	END { exit differs }' "$1" "$2" "$3"
	case $? in
	0) ;;
	9) COMPARED=differs ;;
	*) return 1 ;;
	esac
}

# lines_of_paths LIST FROM: prints the lines of FROM whose paths LIST has, behind their metadata.
lines_of_paths() {
	awk '
	{ path = substr($0, index($0, "/")) }
	FILENAME == ARGV[1] { due[path]; next }
	path in due' "$1" "$2"
}

# Prints the lines on stdin that LIST doesn't have. Not by grep -f: with thousands of lines GNU's takes hundreds of
# megabytes, and busybox's compares each with each.
lines_without() {
	awk '
	FILENAME == ARGV[1] { known[$0]; next }
	!($0 in known)' "$1" -
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
