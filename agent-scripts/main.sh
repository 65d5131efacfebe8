# shellcheck shell=sh
# The way in: AGENT NONCE STATE_DIR HOW INBOX VERB ARG...
# HOW is plain (nothing was sent), payload, or install (the agent came along and is kept).

# What is over needs no more room than its record; the last few records are kept for `status`.
clean_up() {
	read_mark 'done' || return 0
	rm -rf "$TX/job/c" "$TX/job/h" "$TX/job/k" "$TX/tree" "$TX/reserve" "$TX"/candidate.* "$TX"/follower.* "$TX/job/vars"
	[ -f "$TX/lock" ] && rm -f "$TX/lock"
	prune
}

prune() {
	# Ids are ULIDs: their names sort by age.
	set --
	for pr_dir in "$STATE_DIR"/tx/*/; do
		[ -f "${pr_dir}done" ] && set -- "$@" "$pr_dir"
	done
	while [ $# -gt 5 ]; do
		rm -rf "$1"
		shift
	done
}

probe_tools() {
	UID_NOW=$(id -u)
	SETSID=
	if command -v setsid >/dev/null 2>&1; then SETSID=setsid; fi
	SH=${SNAPBACK_SH:-/bin/sh}
	# Times with their fraction where stat tells it: otherwise a second's worth of changes looks the same.
	case $(stat -c %.9Y / 2>/dev/null) in
	[0-9]*.[0-9]*) STAT_MTIME=%.9Y ;;
	*) STAT_MTIME=%Y ;;
	esac
	CP_KEEPS_ALL=0
	case $(cp --version 2>/dev/null) in *GNU* | *uutils*) CP_KEEPS_ALL=1 ;; esac
	STATE_DEVICE=$(stat -c %d "$STATE_DIR")
	choose_backend
}

# Keeps the agent that came with the payload, by its hash, so that it travels once for each version.
install_agent() {
	in_hash=$(sha256sum <"$INBOX/agent.sh") && in_hash=${in_hash%% *}
	in_dir=$STATE_DIR/agent/$in_hash
	if [ ! -f "$in_dir/agent.sh" ]; then
		mkdir -p "$in_dir" && cp "$INBOX/agent.sh" "$in_dir/new.$$" && durable "$in_dir/new.$$" &&
			mv -f "$in_dir/new.$$" "$in_dir/agent.sh" && durable "$in_dir" || give_up "the agent could not be kept"
	fi
	AGENT=$in_dir/agent.sh
}

main() {
	AGENT=$0
	NONCE=$1 STATE_DIR=$2 HOW=$3 INBOX=$4 VERB=$5
	shift 5
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	export PATH LC_ALL=C TZ=UTC0
	unset CDPATH ENV BASH_ENV
	umask 077
	set -u
	[ "$INBOX" != - ] || INBOX=
	ID='' TX='' JOB='' WOKEN='' WHY='' PENDING=''
	[ "$VERB" != watchdog ] || { watchdog "$@" && exit 0; }
	[ "$VERB" != moves ] || { state_moves && exit 0; }
	probe_tools
	case $VERB in
	inspect | begin)
		[ -f "$INBOX/payload.end" ] || give_up "what was sent did not arrive whole"
		[ "$HOW" != install ] || install_agent
		;;
	esac
	cd / || exit 1
	case $VERB in
	inspect) verb_inspect "$@" ;;
	begin) verb_begin "$@" ;;
	follow) verb_follow "$@" ;;
	confirm) verb_confirm "$@" ;;
	rollback) verb_rollback "$@" ;;
	accept) verb_accept ;;
	status) verb_status ;;
	doctor) verb_doctor ;;
	forget) verb_forget ;;
	supervise) verb_supervise "$@" ;;
	run) verb_run "$@" ;;
	resolve) verb_resolve "$@" ;;
	backup) verb_backup "$@" ;;
	backup_loop) verb_backup_loop "$@" ;;
	boot) verb_boot "$@" ;;
	*) give_up "this agent knows no verb '$VERB'" ;;
	esac
}

main "$@"
