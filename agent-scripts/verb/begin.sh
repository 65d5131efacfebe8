# shellcheck shell=sh
# Beginning a transaction: lock, stage, look again, snapshot, arm, read back; then the runner goes and we follow.

verb_begin() {
	contact
	take_lock "$1"
	honour_lease
	REPORT=$TX/report
	REPORT_ALOUD=0
	check_place
	look_again
	stage_changes
	baseline_checks
	snapshot_changes
	arm
	start_apply
	follow_journal 0 "${2:-ready}"
	tell end
}

# The transaction's folder first, whole: what was sent becomes it. Then the lock, which only a hard link to it takes.
take_lock() {
	case $1 in '' | *[!0-9A-Za-z]*) give_up "a transaction's id can't be '$1'" ;; esac
	refuse_barred "$1"
	[ ! -e "$STATE_DIR/tx/$1" ] || give_up "there is a record of $1 already"
	read_spec "$INBOX/job/spec" || give_up "the job did not arrive whole"
	[ -d "$STATE_DIR/tx" ] || mkdir "$STATE_DIR/tx"
	# The guard runs a copy of its own: what it needs is not what somebody may replace meanwhile. Whole before anybody
	# can find it: a second visitor would run half of it.
	[ -f "$INBOX/agent.sh" ] || cp "$AGENT" "$INBOX/agent.sh" || refuse no_space "the agent could not be copied"
	# Before anybody can see the record: without a living holder it would be discarded.
	take_name "$INBOX/holder"
	mv "$INBOX" "$STATE_DIR/tx/$1" 2>/dev/null || {
		refuse_barred "$1"
		give_up "the record of $1 could not be made"
	}
	ID=$1 INBOX=''
	TX=$STATE_DIR/tx/$ID
	JOB=$TX/job
	NAP_FILE=$TX/holder
	refuse_obstacle
	put "$ID" >"$TX/lock"
	ln "$TX/lock" "$STATE_DIR/current" 2>/dev/null
	[ "$STATE_DIR/current" -ef "$TX/lock" ] || refuse_locked
	AGENT=$TX/agent.sh
	take_place
}

# The controller has asked about this id before it arrived, and was told that nothing was touched.
refuse_barred() {
	! is_barred "$1" || refuse barred "this host was asked about $1 before it began, and said that it knows nothing of it"
}

# ln would make its link inside a directory, or inside the one that a symlink names.
refuse_obstacle() {
	ro_lock=$STATE_DIR/current
	if [ -L "$ro_lock" ] || { [ -e "$ro_lock" ] && ! [ -f "$ro_lock" ]; }; then
		rm -rf "$TX"
		ID=''
		refuse obstacle "$ro_lock is in the way and is no lock of snapback's: look at it, then remove it"
	fi
}

refuse_locked() {
	rm -rf "$TX"
	ID=''
	tell_pending
	refuse locked "another transaction is open on this host"
}

# Nothing is armed yet: forget the transaction and free the lock.
discard_quietly() {
	drop_inbox
	[ -n "$ID" ] && [ -d "$TX" ] || return 0
	read_mark 'done' && return 0
	mark 'done' discarded
	journal discarded
	release
	clean_up
}

# Can a guard be kept here at all?
check_place() {
	if [ "$SPEC_volatile" != 1 ]; then
		if is_volatile "$STATE_DIR"; then
			refuse volatile_state "$STATE_DIR is on $MOUNT_TYPE and would not survive a reboot; --volatile-guard goes on without that"
		fi
		[ "$HOOK" != none ] || refuse no_boot_hook "no boot hook can be installed here, so a reboot inside the window would leave the change in place; --volatile-guard goes on without it"
	fi
	read_connection || refuse no_connection "no sshd or dropbear was found above this session, so a confirmation could not be proved fresh"
}

# Under the lock the host must still be what the plan showed.
look_again() {
	WHY="the host could not be inspected"
	inspect_changes || refuse inspect "$WHY"
	[ "$STATE_DIGEST" = "$SPEC_state_digest" ] || refuse stale_plan "the host has changed since the plan was made; plan again"
}

stage_changes() {
	check_space
	sg_n=0
	while [ "$sg_n" -lt "$SPEC_changes" ]; do
		read_change "$sg_n"
		WHY="change '$CHANGE_NAME' could not be staged"
		if [ "$CHANGE_KIND" = files ]; then files_stage "$sg_n" || refuse stage "$WHY"; fi
		sg_n=$((sg_n + 1))
	done
}

snapshot_changes() {
	sc_n=0
	while [ "$sc_n" -lt "$SPEC_changes" ]; do
		read_change "$sc_n"
		WHY="the snapshot of change '$CHANGE_NAME' could not be taken"
		if change_is_due "$sc_n"; then "${CHANGE_KIND}_snapshot" "$sc_n" || refuse snapshot "$WHY"; fi
		sc_n=$((sc_n + 1))
	done
	prepare_rescue
	put "$CONNECTION" >"$TX/arming_connection"
	put rollback >"$TX/candidate.rollback"
	# Given back when the undo begins and when its copies are made, so that a full disk can't stop it.
	write_reserve 1 2>/dev/null >"$TX/reserve" && write_reserve 7 2>/dev/null >"$TX/reserve.copies" ||
		refuse no_space "the reserve for the undo could not be written"
	seal_record || refuse no_space "the seal of the record could not be written"
	sync_tree "$TX" || refuse snapshot "the snapshot could not be made durable"
}

# So many times 64 KiB.
write_reserve() {
	wr_left=$1
	while [ "$wr_left" -gt 0 ]; do
		printf '%65536s' '' || return 1
		wr_left=$((wr_left - 1))
	done
}

# Armed means: the record says so durably, the guard lives, and it was read back.
arm() {
	if [ "$HOOK" != none ]; then
		install_hook || refuse no_boot_hook "the boot hook could not be installed"
	fi
	draw_lot arm || refuse lot "it is not known whether another session has taken the host"
	read_now
	note armed "$NOW $BOOT_ID" && durable "$TX/armed" "$TX" "$STATE_DIR/tx" "$STATE_DIR" ||
		refuse no_space "the arming could not be written down"
	# bash would tell here that a child of ours was killed.
	exec 2>/dev/null
	panic_arm
	if ! guard_start || ! await_armed; then
		decide_rollback "the guard could not be started"
		carry_out
		guard_stop
		refuse no_guard "the guard could not be started ($BACKEND)"
	fi
	undo_limit
	journal "armed backend=$BACKEND hook=$HOOK apply_timeout=$SPEC_apply_timeout window=$SPEC_window undo=$UNDO_LIMIT -- "
}

# The supervisor undoes if we die before `go`; from there on the runner answers for itself.
start_apply() {
	read_now
	put "$NOW" >"$TX/go"
	journal applying
	guard_start_runner || fail "the runner could not be started"
}
