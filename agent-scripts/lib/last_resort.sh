# shellcheck shell=sh
# What is left when an undo has failed: the user's own script, and a reboot if they asked for one.

# Runs the user's failsafe, if there is one, with what is broken in a file. It mends; whether it did is verified by
# whoever called us. Returns 0 only if it ended well.
run_failsafe() {
	has_command "$JOB/failsafe" || return 1
	journal "warning -- the undo has failed, so the failsafe runs"
	export DEPLOY_BROKEN="$TX/broken"
	run_step "" "$JOB/failsafe" "$SPEC_apply_timeout" "$TX/failsafe.out"
	rfs_code=$?
	unset DEPLOY_BROKEN
	journal_output failsafe "$TX/failsafe.out"
	[ "$rfs_code" -ne 0 ] || return 0
	item_broken "failsafe: $(step_reason "$rfs_code" "$SPEC_apply_timeout" "$TX/failsafe.out")"
	return 1
}

# Starts the host again, once in a transaction, and only where a boot hook goes on with the undo. Doesn't return when
# that works: the decision stands and isn't carried out, so the boot tries again.
reboot_once() {
	[ "$SPEC_failsafe_reboot" = 1 ] || return 0
	if [ -e "$TX/rebooted" ]; then
		item_broken "reboot: the host was started again, and that did not help"
		return 0
	fi
	if [ "$HOOK" = none ] || [ "$SPEC_volatile" = 1 ]; then
		item_broken "reboot: not tried, because nothing would go on with the undo after it"
		return 0
	fi
	mark rebooted "$BOOT_ID" || return 0
	journal "warning -- the undo has failed, so the host is started again and goes on with it then"
	durable "$TX/journal"
	order_reboot && rest 12000
	order_reboot --force && rest 3000
	item_broken "reboot: the host could not be started again"
}

# In a process of its own: it may hang as well.
order_reboot() {
	if command -v systemctl >/dev/null 2>&1; then
		(exec $SETSID systemctl reboot "$@") </dev/null >/dev/null 2>&1 &
	else
		(exec $SETSID reboot) </dev/null >/dev/null 2>&1 &
	fi
}
