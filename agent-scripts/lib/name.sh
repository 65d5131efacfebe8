# shellcheck shell=sh
# Names and places: what a line of a list stands for, and ways into directories that nobody can turn elsewhere.

# The byte that stands for a newline in lists of paths.
ODD=
NL='
'

# Sets REAL to the path that a line of a list stands for.
real() {
	REAL=$1
	case $1 in *"$ODD"*) ;; *) return 0 ;; esac
	REAL=
	re_rest=$1
	while :; do
		case $re_rest in
		*"$ODD"*)
			REAL=$REAL${re_rest%%"$ODD"*}$NL
			re_rest=${re_rest#*"$ODD"}
			;;
		*)
			REAL=$REAL$re_rest
			return 0
			;;
		esac
	done
}

# The text of a path for people: on one line.
shown() {
	SHOWN=$1
	case $1 in *"$ODD"*) SHOWN=$(put "$1" | tr '\001' '?') ;; esac
}

# Whether a path or one of the folders it lies in is a symlink.
has_link() {
	hl_path=$1
	while [ -n "$hl_path" ]; do
		[ ! -L "$hl_path" ] || return 0
		hl_path=${hl_path%/*}
	done
	return 1
}

# Sets CWD to the directory that we are really in, as the kernel knows it. dash and ash ask it after each `cd -P`;
# bash and mksh work it out by looking at the path, which somebody may change meanwhile.
read_cwd() {
	CWD=$PWD
	[ -z "${KSH_VERSION:-}${BASH_VERSION:-}" ] || {
		CWD=$(readlink /proc/self/cwd; put x)
		CWD=${CWD%"${NL}x"}
	}
}

# Makes a directory the working directory, so that what is done there by name can't be led elsewhere by somebody who
# swaps the directory, or one above it, for a symlink. A symlink is followed only where none but root (or we
# ourselves) can have made it.
enter() {
	real "$1"
	en_goal=${REAL:-/}
	if cd -P -- "$en_goal" 2>/dev/null; then
		read_cwd
		[ "$CWD" != "$en_goal" ] || return 0
	fi
	enter_by_links "$en_goal" && return 0
	cd / && return 1
}

# Walks a path level by level, each from within the one above.
enter_by_links() {
	cd / || return 1
	CWD=/
	el_rest=$1/ el_left=40
	while [ -n "$el_rest" ]; do
		el_name=${el_rest%%/*}
		el_rest=${el_rest#*/}
		case $el_name in '' | .) continue ;; esac
		if [ -L "./$el_name" ]; then
			[ "$el_left" -gt 0 ] && is_our_link "$el_name" || return 1
			el_left=$((el_left - 1))
			el_target=$(readlink "./$el_name"; put x) && el_target=${el_target%"${NL}x"}
			case $el_target in /*) cd / && CWD=/ ;; esac
			el_rest=$el_target/$el_rest
		elif [ "$el_name" = .. ]; then
			cd -P .. || return 1
			read_cwd
		else
			step_into "$el_name" || return 1
		fi
	done
}

# One level down, into what is a directory there and no link.
step_into() {
	si_goal=${CWD%/}/$1
	cd -P -- "./$1" 2>/dev/null || return 1
	read_cwd
	[ "$CWD" = "$si_goal" ]
}

# Whether a symlink in the working directory is one that only root, or we, could have made: the directory is ours and
# nobody else may write to it, or it is sticky and the link is ours.
is_our_link() {
	# shellcheck disable=SC2046 # numbers, split on purpose
	set -- "$1" $(stat -c '%u %f' -- . "./$1" 2>/dev/null)
	[ $# -eq 5 ] && is_our_uid "$2" || return 1
	# 022 and 01000: mksh knows no octal numbers here.
	[ $((0x$3 & 18)) -ne 0 ] || return 0
	[ $((0x$3 & 512)) -ne 0 ] && is_our_uid "$4"
}

is_our_uid() {
	[ "$1" = 0 ] || [ "$1" = "$UID_NOW" ]
}

# Enters a directory and makes it, and what is above it, where it is missing.
enter_made() {
	real "$1"
	em_up=$REAL em_make=
	while [ -n "$em_up" ] && ! [ -d "$em_up" ]; do
		em_make=${em_up##*/}/$em_make
		em_up=${em_up%/*}
	done
	em_rest=$em_make
	enter "$em_up" || return 1
	while [ -n "$em_rest" ]; do
		em_name=${em_rest%%/*}
		em_rest=${em_rest#*/}
		# A directory that nobody stated is one that everybody may read.
		(umask 022 && mkdir -- "./$em_name" 2>/dev/null)
		step_into "$em_name" || {
			cd /
			return 1
		}
	done
}

# Reads "d/PATH" for directories and "f/PATH" for the rest on stdin, children before parents, and removes them, each
# from within the directory it lies in.
remove_listed() {
	rl_dir=- rl_code=0
	set --
	while IFS=/ read -r rl_kind rl_path; do
		rl_path=/$rl_path
		if [ "${rl_path%/*}" != "$rl_dir" ] || [ $# -ge 100 ]; then
			remove_in "$rl_dir" "$@" || rl_code=1
			set --
			rl_dir=${rl_path%/*}
		fi
		if [ "$rl_kind" = d ]; then
			enter "$rl_dir" || continue
			real "${rl_path##*/}"
			rmdir -- "./$REAL" 2>/dev/null || rl_code=1
			cd /
		else
			real "${rl_path##*/}"
			set -- "$@" "./$REAL"
		fi
	done
	remove_in "$rl_dir" "$@" || rl_code=1
	return "$rl_code"
}

remove_in() {
	ri_dir=$1
	shift
	[ $# -gt 0 ] || return 0
	enter "$ri_dir" || return 1
	rm -f -- "$@"
	ri_code=$?
	cd /
	return "$ri_code"
}
