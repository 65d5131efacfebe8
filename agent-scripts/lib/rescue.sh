# shellcheck shell=sh
# The rescue: a copy of the shell and the tools that an undo takes, with their loader and libraries, for a change that
# replaces them. Not busybox, where the host has other tools: its cp loses what theirs keep, and its stat sees less.
#
# STATE/rescue/KEY/  ld, lib/, bin/   the loader (none where the shell is static), libraries, programs
#                    tools.sh         a function for each tool      shell   the words that start the shell
#                    sources, stats   where it all came from        whole   it is whole and was tried

RESCUE_TOOLS="stat sha256sum mv cp rm ln sync mkdir rmdir chmod chown touch find grep sort tar cat head tail cut tr \
	sleep readlink sed awk df du setsid env"

# Before arming: finds the rescue or makes it, if a change could touch what the guard lives on. Copying files costs once
# for each version of the tools, not for each run.
prepare_rescue() {
	needs_rescue || return 0
	if ! can_rescue; then return 0; fi
	prr_found=
	for prr_dir in "$STATE_DIR"/rescue/*/; do
		[ -f "${prr_dir}whole" ] || continue
		if [ -z "$prr_found" ] && is_rescue_current "${prr_dir%/}"; then prr_found=${prr_dir%/}; else rm -rf "$prr_dir"; fi
	done
	if [ -z "$prr_found" ]; then
		make_rescue "$STATE_DIR/rescue/new.$$" || {
			rm -rf "$STATE_DIR/rescue/new.$$"
			journal_quietly "warning -- the guard's tools could not be copied: a change that breaks them breaks the undo"
			return 0
		}
		prr_found=$RESCUE_MADE
	fi
	put "$prr_found" >"$TX/rescue"
	use_rescue
}

# A script can do anything; files and watched paths tell.
needs_rescue() {
	for nr_spec in "$JOB"/c/*/spec; do
		nr_dir=${nr_spec%/spec}
		[ -f "$nr_dir/manifest" ] || return 0
		while IFS= read -r nr_path; do
			case $nr_path in
			/bin/* | /sbin/* | /lib* | /usr/bin* | /usr/sbin* | /usr/lib* | /etc/ld.so* | /etc/alternatives*) return 0 ;;
			esac
		done 2>/dev/null <"$nr_dir/paths"
	done
	return 1
}

# Programs that may not be executed where our state lies are no use; a demonstration copies nothing.
can_rescue() {
	[ "$NOEXEC" = 0 ] && [ "${SNAPBACK_GUARD:-}" != bare ]
}

is_rescue_current() {
	stat_sources "$1" >"$TX/rescue.stats" || return 1
	while IFS= read -r rc_line <&3; do
		IFS= read -r rc_now <&4 && [ "$rc_line" = "$rc_now" ] || return 1
	done 3<"$1/stats" 4<"$TX/rescue.stats"
	[ "$(run_rescue "$prr_dir" 2>/dev/null)" = "$RESCUE_PROOF" ]
}

# The files that it was copied from, as they are now.
stat_sources() {
	sso_list=$1/sources
	set --
	while IFS= read -r sso_path; do set -- "$@" "$sso_path"; done <"$sso_list"
	stat -L -c '%d:%i %s %Y %Z %n' -- "$@" 2>/dev/null
}

RESCUE_PROOF=5891b5b5

# What the rescue says when it works: a few digits of a checksum, by its own shell and tools.
run_rescue() {
	IFS= read -r rr_shell <"$1/shell"
	# shellcheck disable=SC2086,SC2016 # words, split on purpose; what is in them is for that shell
	$rr_shell -c 'RESCUE=$1; . "$1/tools.sh"; stat -c "" / >/dev/null && echo hello | sha256sum | cut -c 1-8' sh "$1"
}

# make_rescue DIRECTORY: sets RESCUE_MADE to where it lies in the end.
make_rescue() {
	mkr_dir=$1
	rm -rf "$mkr_dir"
	mkdir -p "$mkr_dir/bin" "$mkr_dir/lib" || return 1
	find_loader
	true >"$mkr_dir/tools.sh"
	true >"$mkr_dir/sources"
	add_shell || return 1
	for mkr_tool in $RESCUE_TOOLS; do
		# What is part of the shell comes with it.
		case $(command -v "$mkr_tool") in /*) ;; *) continue ;; esac
		find_program "$mkr_tool" && add_tool "$mkr_tool" "$PROGRAM"
	done
	copy_rescue || return 1
	# It may be looked for under its last name only.
	mkr_key=$(sha256sum <"$mkr_dir/stats") && mkr_key=${mkr_dir%/*}/${mkr_key%"${mkr_key#????????????????}"} || return 1
	rm -rf "$mkr_key"
	write_shell "$mkr_key" >"$mkr_dir/shell"
	mv "$mkr_dir" "$mkr_key" || return 1
	[ "$(run_rescue "$mkr_key" 2>/dev/null)" = "$RESCUE_PROOF" ] && sync_tree "$mkr_key" && put 1 >"$mkr_key/whole" || {
		rm -rf "$mkr_key"
		return 1
	}
	RESCUE_MADE=$mkr_key
}

# Sets LOADER to the dynamic loader of this very shell; empty where the shell is static.
find_loader() {
	LOADER=
	while read -r _ _ _ _ _ fl_file; do
		case ${fl_file##*/} in
		ld-linux* | ld-musl-* | ld64.so.* | ld.so.* | ld-[0-9]*.so)
			LOADER=$fl_file
			return
			;;
		esac
	done </proc/$$/maps
}

# Sets PROGRAM to where a program is found.
find_program() {
	case $1 in
	/*)
		PROGRAM=$1
		return
		;;
	esac
	fp_path=$PATH:
	while [ -n "$fp_path" ]; do
		PROGRAM=${fp_path%%:*}/$1
		fp_path=${fp_path#*:}
		[ ! -x "$PROGRAM" ] || return 0
	done
	return 1
}

# Notes a program with what it needs; fails where it can't be run from a copy. Sets HOW_TO to the words that run it,
# with $RESCUE in them: this text is read as a function's body, and names come from our own list alone.
add_program() {
	ap_real=$1
	if [ -L "$1" ]; then ap_real=$(readlink -f "$1") || return 1; fi
	ap_name=${ap_real##*/}
	HOW_TO="\"\$RESCUE/bin/$ap_name\""
	case $ap_name in *[!A-Za-z0-9._-]*) return 1 ;; esac
	put "$ap_real" >>"$mkr_dir/programs"
	[ -n "$LOADER" ] || return 0
	# A static program, or a script, is none that the loader can list.
	"$LOADER" --list "$ap_real" 2>/dev/null >"$mkr_dir/needs" || return 0
	HOW_TO="\"\$RESCUE/ld\" --library-path \"\$RESCUE/lib\" $HOW_TO"
	while read -r _ ap_arrow ap_library _; do
		[ "$ap_arrow" != "=>" ] || [ ! -f "$ap_library" ] || put "$ap_library" >>"$mkr_dir/libraries"
	done <"$mkr_dir/needs"
}

# Programs that are many tools in one are told which.
is_many_in_one() {
	case $1 in busybox | toybox | coreutils) return 0 ;; esac
	return 1
}

add_shell() {
	find_program "${HOST_SH%% *}" && add_program "$PROGRAM" || return 1
	SHELL_NAME=$ap_name SHELL_HOW=$HOW_TO
}

add_tool() {
	add_program "$2" || return 0
	! is_many_in_one "$ap_name" || HOW_TO="$HOW_TO $1"
	put "$1() { $HOW_TO \"\$@\"; }" >>"$mkr_dir/tools.sh"
	# What is started in the background or replaces a shell is words.
	case $1 in setsid) at_name=SETSID ;; sleep) at_name=SLEEP ;; *) return 0 ;; esac
	put "$at_name=\"$(put "$HOW_TO" | tr -d '"')\"" >>"$mkr_dir/tools.sh"
}

# The words that start the shell of the rescue at DIRECTORY.
write_shell() {
	case $SHELL_HOW in
	*"/ld"*) ws_words="$1/ld --library-path $1/lib $1/bin/$SHELL_NAME" ;;
	*) ws_words=$1/bin/$SHELL_NAME ;;
	esac
	case $HOST_SH in
	*" "*) put "$ws_words ${HOST_SH#* }" ;;
	*) if is_many_in_one "$SHELL_NAME"; then put "$ws_words sh"; else put "$ws_words"; fi ;;
	esac
}

copy_rescue() {
	copy_listed "$mkr_dir/programs" "$mkr_dir/bin" || return 1
	cat "$mkr_dir/programs.once" >>"$mkr_dir/sources"
	if [ -f "$mkr_dir/libraries" ]; then
		copy_listed "$mkr_dir/libraries" "$mkr_dir/lib" || return 1
		cat "$mkr_dir/libraries.once" >>"$mkr_dir/sources"
	fi
	if [ -n "$LOADER" ]; then
		put "$LOADER" >>"$mkr_dir/sources"
		cp -L -- "$LOADER" "$mkr_dir/ld" || return 1
		chmod 0700 "$mkr_dir/ld"
	fi
	LC_ALL=C sort -u "$mkr_dir/sources" >"$mkr_dir/sources.once" && mv -f "$mkr_dir/sources.once" "$mkr_dir/sources"
	rm -f "$mkr_dir"/programs* "$mkr_dir"/libraries* "$mkr_dir/needs"
	stat_sources "$mkr_dir" >"$mkr_dir/stats"
}

# copy_listed LIST DIRECTORY: what symlinks lead to, under their own names.
copy_listed() {
	cl_list=$1.once cl_dir=$2/
	LC_ALL=C sort -u "$1" >"$cl_list"
	set --
	while IFS= read -r cl_path; do set -- "$@" "$cl_path"; done <"$cl_list"
	[ $# -eq 0 ] || cp -L -- "$@" "$cl_dir" 2>/dev/null && chmod -R u+rwx "$cl_dir"
}

# From here on this process, and what the guard starts, live on the copies: what is never tried but in need fails then.
use_rescue() {
	# A host whose own tools don't work any more must not be confirmed.
	[ -s "$TX/rescue" ] && [ "$VERB" != confirm ] || return 0
	IFS= read -r RESCUE <"$TX/rescue"
	if ! [ -f "$RESCUE/whole" ]; then
		RESCUE=
		return 0
	fi
	# shellcheck disable=SC1091 # made when it was copied
	. "$RESCUE/tools.sh"
	# SELinux knows which domain a shell of the system starts in, and nothing of ours.
	[ -e /sys/fs/selinux/enforce ] || IFS= read -r SH <"$RESCUE/shell"
}
