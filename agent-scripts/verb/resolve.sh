# shellcheck shell=sh
# The one rule, for the boot hook, the backup, a restarted supervisor, and every contact of a controller:
# decided but not done: carry it out; undecided without a living supervisor: roll back now; else hands off.

# resolve WHO, with WHO = contact | restart | backup | boot, for the transaction that is open (ID, TX).
resolve() {
	JOB=$TX/job
	if read_mark 'done'; then
		release
		return 0
	fi
	read_decision
	case $1 in contact | backup) overrule_stuck ;; esac
	if [ -z "$DECISION" ]; then
		if is_unarmed; then
			if ! is_alive "$TX/holder"; then
				discard_dead
			elif [ "$1" = contact ]; then
				discard_stalled
			fi
			return 0
		fi
		if is_alive "$TX/supervisor" && [ "$1" != boot ]; then return 0; fi
		# Between the mark and the supervisor's first breath the session that arms is the one to wait for.
		if ! [ -s "$TX/supervisor" ] && is_alive "$TX/holder"; then
			[ "$1" = contact ] && is_stalled || return 0
			end_holder
		fi
		decide_rollback "the guard found the change unconfirmed and its supervisor gone ($1)"
	fi
	case $1 in
	contact) carrier_alive || read_mark undo_failed || guard_detach resolve "$ID" ;;
	*) carry_out ;;
	esac
	return 0
}

# Whether nothing is armed, nor can be any more by a session that has just died: so its life is looked at before the
# mark is looked for a last time.
is_unarmed() {
	! was_armed && { is_alive "$TX/holder" || ! was_armed; }
}

# The mark alone could have been taken away: what follows it is as good a witness.
was_armed() {
	read_mark armed || [ -f "$TX/go" ] || [ -s "$TX/supervisor" ]
}

# Discards what a session that died has left, and ends the baseline checks it may have been asking.
discard_dead() {
	kill_transaction
	discard_quietly
}

# What every controller's visit does first.
contact() {
	if ! read_current; then
		# A lock that a power cut left torn is older than any arming, which would have made it durable; and nothing is open.
		if [ -f "$STATE_DIR/current" ] && ! [ -L "$STATE_DIR/current" ]; then rm -f "$STATE_DIR/current"; fi
		return 0
	fi
	(
		# What the visitor has brought along is none of what is resolved here.
		INBOX=''
		if ! open_tx "$CURRENT"; then
			# A power cut while the record was being written: all is durable before anything is armed.
			[ -d "$TX" ] && ! was_armed && ! is_alive "$TX/holder" && rm -f "$STATE_DIR/current"
			exit 0
		fi
		resolve contact
	)
}

# A process of its own that resolves.
verb_resolve() {
	open_tx "$1" || exit 0
	trap '' HUP PIPE
	resolve restart
	guard_stop
	clean_up
	exit 0
}

# The backup: looks every few seconds, and treats a supervisor that lives ten seconds past the deadline as stuck.
verb_backup() {
	open_tx "$1" || exit 0
	trap '' HUP PIPE
	backup_once
	if read_mark 'done' || read_mark undo_failed; then guard_stop; fi
	is_alive "$TX/supervisor" || clean_up
	exit 0
}

verb_backup_loop() {
	open_tx "$1" || exit 0
	trap '' HUP PIPE
	take_name "$TX/backup"
	wake "$TX/holder"
	bl_naps=0
	until { read_mark 'done' && ! is_rechecked; } || read_mark undo_failed || ! [ -d "$TX" ]; do
		nap 100
		bl_naps=$((bl_naps + 1))
		[ $((bl_naps % 5)) -ne 0 ] || backup_once
	done
	is_alive "$TX/supervisor" || clean_up
	exit 0
}

backup_once() {
	resolve backup
}

# A supervisor that lives ten seconds past the deadline is stuck: whoever sees it decides in its place. So does one who
# sees that carrying out takes longer than it may. For the backup, and for a visitor where the backup has died as well.
overrule_stuck() {
	read_now
	if [ -n "$DECISION" ]; then
		unstick_carrier
		return 0
	fi
	read_deadline && [ $((NOW - DEADLINE)) -gt 1000 ] && is_alive "$TX/supervisor" || return 0
	! decide_expired "the supervisor was stuck past the deadline" || kill_supervisor
	read_decision
}

# Decided, carried and getting nowhere: each item has a limit of its own, and so has the whole. Past it another process
# takes over.
unstick_carrier() {
	carrier_alive || return 0
	read -r _ _ _ uc_since <"$ca_last" || return 0
	undo_limit
	[ $((NOW - uc_since)) -gt $((UNDO_LIMIT * 100 + 1000)) ] || return 0
	kill_carrier
}

kill_supervisor() {
	is_alive "$TX/supervisor" || return 0
	guard_kill_supervisor "$ALIVE_PID"
	kill -CONT "$ALIVE_PID" 2>/dev/null
	kill -KILL "$ALIVE_PID" 2>/dev/null
	thaw_process "$ALIVE_PID"
}

# boot ID STAGE: early only files come back, on what is mounted, and nothing that could block; late all the rest.
verb_boot() {
	open_tx "$1" || exit 0
	trap '' HUP PIPE
	JOB=$TX/job
	boot_writable
	if read_mark 'done'; then
		release
		exit 0
	fi
	# systemctl isolate can start us in the boot that armed: then the supervisor lives, and that is all we need to see.
	read_decision
	if [ -z "$DECISION" ]; then
		if ! was_armed; then
			is_alive "$TX/holder" || discard_dead
			exit 0
		fi
		! is_alive "$TX/supervisor" || exit 0
		decide_rollback "the host was started again before the change was confirmed"
		read_decision
	fi
	case $2 in
	boot-late) boot_late ;;
	*) boot_early ;;
	esac
	exit 0
}

# The root file system may still be read-only this early.
boot_writable() {
	(true >>"$TX/journal") 2>/dev/null && return 0
	read_mounts
	find_mount "$STATE_DIR"
	mount -o remount,rw "$MOUNT_POINT" 2>/dev/null
}

boot_early() {
	[ "$DECISION" = rollback ] && ! carrier_alive || return 0
	mend_started
	share_boot
	be_n=$((SPEC_changes - 1))
	be_any=
	while [ "$be_n" -ge 0 ]; do
		if [ -e "$TX/started.$be_n" ]; then
			restore_bounded "$be_n" mounted
			[ ! -s "$JOB/c/$be_n/delta" ] || be_any=1
		fi
		be_n=$((be_n - 1))
	done
	[ -z "$be_any" ] || [ "$BACKEND" != systemd ] || systemctl daemon-reload
}

# The boot waits 90 seconds for us: none of the changes may take what the others need.
share_boot() {
	set -- "$TX"/started.*
	RESTORE_CAP=$((80 / $#))
	[ "$RESTORE_CAP" -ge 10 ] || RESTORE_CAP=10
}

boot_late() {
	if [ "$DECISION" = confirm ] || boot_attempts_left; then carry_out; fi
	clean_up
}

boot_attempts_left() {
	if read_mark undo_failed; then return 1; fi
	ba_n=1
	while [ -e "$TX/boot.$ba_n" ]; do ba_n=$((ba_n + 1)); done
	if [ "$ba_n" -gt 3 ]; then
		mark undo_failed 1
		journal "rollback_failed -- given up after three boots"
		return 1
	fi
	mark "boot.$ba_n" "$BOOT_ID"
}
