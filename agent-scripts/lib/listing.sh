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
	: >"$lp_out" || return 1
	lp_end=
	while [ -z "$lp_end" ]; do
		set --
		while [ $# -lt 100 ]; do
			IFS= read -r lp_path || {
				lp_end=1
				break
			}
			if [ -e "$lp_path" ] || [ -L "$lp_path" ]; then set -- "$@" "$lp_path"; fi
		done
		[ $# -eq 0 ] || list_chunk "$lp_out" "$@" || return 1
	done
}

list_chunk() {
	lc_out=$1
	shift
	stat -c "%f %u %g %s $STAT_MTIME%n" -- "$@" >"$lc_out.stat" || return 1
	: >"$lc_out.sum"
	for lc_path do
		shift
		if [ -f "$lc_path" ] && ! [ -L "$lc_path" ]; then set -- "$@" "$lc_path"; fi
	done
	if [ $# -gt 0 ]; then sha256sum -- "$@" >"$lc_out.sum" || return 1; fi
	join_listing "$lc_out" || return 1
	rm -f "$lc_out.stat" "$lc_out.sum"
}

# Both inputs are in the same order, so one pass over the two is enough.
join_listing() {
	while IFS=/ read -r jl_meta jl_path <&3; do
		# shellcheck disable=SC2086 # numbers, split on purpose
		set -- $jl_meta
		case $1 in
		8???)
			IFS= read -r jl_sum <&4 || return 1
			jl_sum=${jl_sum#\\}
			jl_sum=${jl_sum%%" "*}
			;;
		4???) jl_sum=- ;;
		a???) jl_sum=L$(readlink "/$jl_path" | sha256sum) && jl_sum=${jl_sum%%" "*} ;;
		*) jl_sum=- ;;
		esac
		case $1 in
		8???) printf '%s %s %s %s %s %s/%s\n' "$1" "$2" "$3" "$4" "$5" "$jl_sum" "$jl_path" ;;
		*) printf '%s %s %s - - %s/%s\n' "$1" "$2" "$3" "$jl_sum" "$jl_path" ;;
		esac
	done 3<"$1.stat" 4<"$1.sum" >>"$1"
}

# compare_listings PATHS BEFORE NOW: prints "same|missing|new|differs|absent LINE_BEFORE_META /path" for each path
# that isn't the same. All three files are in the same order of paths.
compare_listings() {
	cl_before='' cl_now=''
	while IFS= read -r cl_path <&3; do
		[ -n "$cl_before" ] || IFS= read -r cl_before <&4 || cl_before=
		[ -n "$cl_now" ] || IFS= read -r cl_now <&5 || cl_now=
		cl_was='' cl_is=''
		if [ -n "$cl_before" ] && [ "/${cl_before#*/}" = "$cl_path" ]; then cl_was=${cl_before%%/*}; cl_before=; fi
		if [ -n "$cl_now" ] && [ "/${cl_now#*/}" = "$cl_path" ]; then cl_is=${cl_now%%/*}; cl_now=; fi
		[ "$cl_was" = "$cl_is" ] && continue
		if [ -z "$cl_was" ]; then
			printf 'new %s%s\n' "$cl_is" "$cl_path"
		elif [ -z "$cl_is" ]; then
			printf 'missing %s%s\n' "$cl_was" "$cl_path"
		else
			printf 'differs %s%s\n' "$cl_was" "$cl_path"
		fi
	done 3<"$1" 4<"$2" 5<"$3"
}

# The paths of trees, sorted, our own state left out: it must not be part of what it puts back.
walk_trees() {
	for wt_root do
		if [ -e "$wt_root" ] || [ -L "$wt_root" ]; then
			find "$wt_root" -xdev -path "$STATE_DIR" -prune -o -print
		else
			printf '%s\n' "$wt_root"
		fi
	done
}
