# shellcheck shell=sh
# The way in: AGENT NONCE STATE_DIR HOW INBOX VERB ARG...
# HOW is plain (nothing was sent), payload, or install (the agent came along and is kept).

# What is over needs no more room than its record and what going back needs; the last few records are kept for `status`.
clean_up() {
	read_mark 'done' && ! is_rechecked || return 0
	if read_held "$TX"; then
		keep_transaction
		set --
	else
		set -- "$TX/job/c" "$TX/job/h" "$TX/job/vars"
	fi
	rm -rf "$@" "$TX"/job/failsafe.* "$TX/job/k" "$TX/reserve" "$TX/reserve.copies" "$TX/lock" "$TX/agent.sh" "$TX/report" "$TX/pulse" \
		"$TX"/candidate.* "$TX"/carrier.* "$TX"/follower.* "$TX"/*.woken "$TX"/red.*
	prune
}

prune() {
	prune_history
	# Ids are ULIDs: their names sort by age.
	set --
	for pr_dir in "$STATE_DIR"/tx/*/; do
		[ -f "${pr_dir}done" ] && ! read_held "${pr_dir%/}" && set -- "$@" "$pr_dir"
	done
	[ $# -gt 5 ] || return 0
	while [ $# -gt 5 ]; do
		remove_records "$1"
		shift
	done
	# What sessions that were cut have left, once it is a day old.
	find "$STATE_DIR/inbox" -mindepth 1 -maxdepth 1 -mtime +0 -exec rm -rf {} +
}

# Finds out what this host's tools can do. Each inspection asks, and writes it down for what follows in this boot.
probe_tools() {
	SH=${SNAPBACK_SH:-/bin/sh}
	# What the user's commands are run by; what the guard is run by may be a copy.
	HOST_SH=$SH SLEEP=sleep RESCUE=''
	SETSID=
	! command -v setsid >/dev/null 2>&1 || SETSID=setsid
	read_boot_id
	case $VERB in
	inspect | doctor) probe_anew ;;
	*) recall_tools || probe_anew ;;
	esac
	STAT_LINE="%f %u %g %s $STAT_MTIME|%t:%T|%h %d:%i %s $STAT_MTIME ${STAT_MTIME%Y}Z %f"
}

recall_tools() {
	read -r UID_NOW STATE_DEVICE STAT_MTIME CP_KEEPS_ALL NOEXEC BACKEND HOOK rt_boot 2>/dev/null <"$STATE_DIR/tools" || return 1
	# Devices are numbered anew in each boot.
	[ "$rt_boot" = "$BOOT_ID" ]
}

probe_anew() {
	# With the slash: the link itself belongs to root, whoever asks.
	# shellcheck disable=SC2046 # numbers, split on purpose
	set -- $(stat -c '%u %a %d %.9Y' /proc/self/ "$STATE_DIR" "${STATE_DIR%/*}/" 2>/dev/null)
	[ $# -eq 12 ] || give_up "this host's stat doesn't know -c, or $STATE_DIR is not there"
	UID_NOW=$1
	STATE_DEVICE=$7
	# Nobody is there to mend it while a host boots, and what is armed must be undone.
	[ "$VERB" = boot ] || { keep_private "$5" "$6" && refuse_open_parent "$9" "${10}"; }
	# Times with their fraction where stat tells it: otherwise a second's worth of changes looks the same.
	case $8 in
	*.*) STAT_MTIME=%.9Y ;;
	*) STAT_MTIME=%Y ;;
	esac
	CP_KEEPS_ALL=0
	case $(cp --version 2>/dev/null) in *GNU* | *uutils*) CP_KEEPS_ALL=1 ;; esac
	NOEXEC=0
	read_mounts
	find_mount "$STATE_DIR"
	case ,$MOUNT_FLAGS, in *,noexec,*) NOEXEC=1 ;; esac
	choose_backend
	# What is seen while a host boots is no word for later.
	[ "$VERB" != boot ] || return 0
	pa_tools="$UID_NOW $STATE_DEVICE $STAT_MTIME $CP_KEEPS_ALL $NOEXEC $BACKEND $HOOK $BOOT_ID"
	if [ -f "$STATE_DIR/tools" ] && IFS= read -r pa_known <"$STATE_DIR/tools" && [ "$pa_known" = "$pa_tools" ]; then return 0; fi
	put "$pa_tools" >"$STATE_DIR/tools.$$" && mv -f "$STATE_DIR/tools.$$" "$STATE_DIR/tools"
}

# keep_private OWNER MODE: somebody else's folder would be somebody else's record, and ours is nobody else's to read.
keep_private() {
	[ "$1" = "$UID_NOW" ] || give_up "$STATE_DIR belongs to user $1, and this is user $UID_NOW: look at it, then move it away"
	[ "$2" = 700 ] || chmod 0700 "$STATE_DIR" || give_up "$STATE_DIR could not be made private"
}

# refuse_open_parent UID MODE: whoever may rename the state directory could put another in its place.
refuse_open_parent() {
	ro_parent=${STATE_DIR%/*}/
	case $1 in
	0 | "$UID_NOW") ;;
	*) give_up "$ro_parent belongs to user $1, who could put another $STATE_DIR in place: choose another folder" ;;
	esac
	case $2 in
	# Sticky: nobody renames what is another's.
	[1357]???) ;;
	*[2367]) give_up "$ro_parent can be written by everybody (mode $2), who could put another $STATE_DIR in place: chmod o-w $ro_parent" ;;
	esac
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

# What nobody has found out yet: with -u no name may be asked for that was never set.
know_nothing() {
	ID='' TX='' JOB='' WHY='' PENDING='' NAP_FILE=/dev/null
	DECISION='' EXTENDED=0 DEADLINE_TURN='' DURABLE_TX='' DESPITE=''
	CHECK_LINE=check RESTORE_CAP='' KEEP_LABELS='' LIST_QUICKLY='' LIST_COUNT=0 no_last=''
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
	know_nothing
	[ "$VERB" != moves ] || { state_moves && exit 0; }
	cd / || exit 1
	probe_tools
	case $VERB in
	inspect | begin | probe)
		[ -n "$INBOX" ] && [ -f "$INBOX/payload.end" ] || give_up "what was sent did not arrive whole"
		[ "$HOW" != install ] || install_agent
		;;
	esac
	case $VERB in
	inspect) verb_inspect "$@" ;;
	begin) verb_begin "$@" ;;
	probe) verb_probe ;;
	follow) verb_follow "$@" ;;
	confirm) verb_confirm "$@" ;;
	knock) verb_knock "$@" ;;
	veto) verb_veto "$@" ;;
	extend) verb_extend "$@" ;;
	rollback) verb_rollback "$@" ;;
	accept) verb_accept ;;
	history) verb_history ;;
	free) verb_free "$@" ;;
	status) verb_status ;;
	lease) verb_lease "$@" ;;
	unlease) verb_unlease "$@" ;;
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
