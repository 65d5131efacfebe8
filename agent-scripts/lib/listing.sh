# shellcheck shell=sh
# Listings: what is at some paths, one line each, cheap enough for thousands of files (one stat and one checksum
# run for a hundred of them).
#
# A line is "MODE UID GID SIZE MTIME HASH/path": MODE is the raw mode in hexadecimal (it holds the type), HASH is
# the SHA-256 of a file's content or, behind an L, of a symlink's target. Directories have no size, time or hash:
# anybody may touch them. What doesn't exist has no line. Lines keep the order of the paths they were asked for.

# Reads paths on stdin, writes a listing to a file.
list_paths() {
	lp_out=$1
	true >"$lp_out" || return 1
	lp_end=
	while [ -z "$lp_end" ]; do
		set --
		while [ $# -lt 100 ]; do
			IFS= read -r lp_path || {
				lp_end=1
				break
			}
			set -- "$@" "$lp_path"
		done
		# In a directory that lives, a file may go between the look at it and the sum of it: then once more.
		list_chunk "$lp_out" "$@" || list_chunk "$lp_out" "$@" || list_chunk "$lp_out" "$@" || return 1
	done
}

# list_chunk OUT PATH...
list_chunk() {
	lc_out=$1
	shift
	for lc_path do
		shift
		if [ -e "$lc_path" ] || [ -L "$lc_path" ]; then set -- "$@" "$lc_path"; fi
	done
	[ $# -gt 0 ] || return 0
	stat -c "%f %u %g %s $STAT_MTIME%n" -- "$@" 2>/dev/null >"$lc_out.stat" || return 1
	true >"$lc_out.sum"
	for lc_path do
		shift
		if [ -f "$lc_path" ] && ! [ -L "$lc_path" ]; then set -- "$@" "$lc_path"; fi
	done
	if [ $# -gt 0 ]; then sha256sum -- "$@" 2>/dev/null >"$lc_out.sum" || return 1; fi
	join_listing "$lc_out" && put "${JOINED%?}" >>"$lc_out"
}

# Sets JOINED to the lines. Both inputs are in the same order, so one pass over the two is enough.
join_listing() {
	JOINED=
	while IFS=/ read -r jl_meta jl_path <&3; do
		# shellcheck disable=SC2086 # numbers, split on purpose
		set -- $jl_meta
		case $1 in
		8???)
			IFS= read -r jl_sum <&4 || return 1
			# A name with a backslash makes sha256sum mark its line with one and escape the name.
			case $jl_sum in \\* | *"  /$jl_path") ;; *) return 1 ;; esac
			jl_sum=${jl_sum#\\}
			jl_line="$1 $2 $3 $4 $5 ${jl_sum%%" "*}"
			;;
		a???)
			jl_sum=$(readlink "/$jl_path" | sha256sum) || return 1
			jl_line="$1 $2 $3 - - L${jl_sum%%" "*}"
			;;
		*) jl_line="$1 $2 $3 - - -" ;;
		esac
		JOINED="$JOINED$jl_line/$jl_path
"
	done 3<"$1.stat" 4<"$1.sum"
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

# The paths of trees, our own state left out: it must not be part of what it puts back.
walk_trees() {
	for wt_root do
		if [ -e "$wt_root" ] || [ -L "$wt_root" ]; then
			find "$wt_root" -xdev -path "$STATE_DIR" -prune -o -print
		else
			put "$wt_root"
		fi
	done
}

# Refuses trees (one a line in a file) in which a name holds a newline: a listing can't tell of it.
no_broken_names() {
	while IFS= read -r nb_root; do
		[ -d "$nb_root" ] || continue
		[ -z "$(find "$nb_root" -xdev -path "$STATE_DIR" -prune -o -name '*
*' -print)" ] || {
			WHY="a file name below $nb_root holds a newline"
			return 1
		}
	done <"$1"
}
