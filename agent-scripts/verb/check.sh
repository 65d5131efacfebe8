# shellcheck shell=sh
# Remote checks: side by side, judged by the same rule as the controller's (core's Judge).

# Sets CHECK_* of check $1. CHECK_TIMEOUT is in seconds, the other times in centiseconds.
read_check() {
	CHECK_NAME=check-$1 CHECK_INTERVAL=100 CHECK_TIMEOUT=5 CHECK_HEALTHY=0 CHECK_DEADLINE=3000 CHECK_LIMIT=0
	CHECK_REQUIRED=1 CHECK_BASELINE=0
	while read -r rk_key rk_value; do
		case $rk_key in
		name) CHECK_NAME=$rk_value ;;
		interval) CHECK_INTERVAL=$rk_value ;;
		timeout) CHECK_TIMEOUT=$rk_value ;;
		min_healthy_time) CHECK_HEALTHY=$rk_value ;;
		healthy_deadline) CHECK_DEADLINE=$rk_value ;;
		failure_limit) CHECK_LIMIT=$rk_value ;;
		required) CHECK_REQUIRED=$rk_value ;;
		baseline) CHECK_BASELINE=$rk_value ;;
		esac
	done <"$JOB/k/$1/spec"
}

# Runs all checks; returns 1 when a required one failed.
run_checks() {
	rks_n=0
	while [ "$rks_n" -lt "$SPEC_checks" ]; do
		(watch_check "$rks_n") </dev/null >/dev/null 2>&1 &
		rks_n=$((rks_n + 1))
	done
	wait
	rks_n=0
	while [ "$rks_n" -lt "$SPEC_checks" ]; do
		if [ -f "$JOB/k/$rks_n/veto" ]; then
			IFS= read -r rks_why <"$JOB/k/$rks_n/veto"
			fail "$rks_why"
			return 1
		fi
		rks_n=$((rks_n + 1))
	done
}

# Asks one check until it is judged.
watch_check() {
	read_check "$1"
	wc_n=$1
	wc_dir=$JOB/k/$1
	read_now
	wc_zero=$NOW wc_since='' wc_passed=0 wc_failures=0
	while :; do
		read_now
		wc_began=$NOW
		attempt_check "$wc_dir"
		read_now
		judge_check && return 0
		wc_rest=$((CHECK_INTERVAL - NOW + wc_began))
		[ "$wc_rest" -le 0 ] || nap "$wc_rest"
	done
}

# One attempt. Sets WC_ANSWER to passed, failed or error and WC_DETAIL to why. A flood is read away by tail, which
# keeps the end alone; the pipe is not waited for, so that a child that keeps it open holds nobody up.
attempt_check() {
	if [ -f "$1/cmd.sh" ]; then ac_how="$SH -e $1/cmd.sh"; else ac_how=$1/cmd.run; fi
	rm -f "$1/pipe" "$1/out" "$1/out.late"
	mkfifo "$1/pipe" || return 1
	tail -c 4000 <"$1/pipe" >"$1/out" &
	ac_reader=$!
	(
		export_environment ""
		umask 022
		cd / || exit 126
		# shellcheck disable=SC2086 # an interpreter and a file, split on purpose
		exec $SETSID $ac_how </dev/null >"$1/pipe" 2>&1
	) &
	await_step $! "$CHECK_TIMEOUT" "$1/out"
	ac_code=$?
	settle_reader "$ac_reader"
	case $ac_code in
	0) WC_ANSWER=passed ;;
	124 | 126 | 127) WC_ANSWER=error ;;
	*) WC_ANSWER=failed ;;
	esac
	WC_DETAIL=$(step_reason "$ac_code" "$CHECK_TIMEOUT" "$1/out")
}

# The reader ends with the last writer; one that is still held open gets half a second.
settle_reader() {
	se_left=10
	while kill -0 "$1" 2>/dev/null && [ "$se_left" -gt 0 ]; do
		read_stat "$1" || break
		[ "$STAT_STATE" != Z ] || break
		nap 5
		se_left=$((se_left - 1))
	done
	kill -KILL "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

# Judges after an attempt; returns 0 when the check is decided. The same rule as core::check::Judge.
judge_check() {
	if [ "$WC_ANSWER" = passed ]; then
		wc_passed=1
		[ -n "$wc_since" ] || wc_since=$wc_began
		if [ $((NOW - wc_since)) -ge "$CHECK_HEALTHY" ]; then
			journal "check status=passed n=$wc_n -- "
			return 0
		fi
	else
		wc_since=
		if [ "$wc_passed" = 1 ]; then
			wc_failures=$((wc_failures + 1))
			[ "$wc_failures" -le "$CHECK_LIMIT" ] || { reject_check; return 0; }
		fi
	fi
	[ $((NOW - wc_zero)) -ge "$CHECK_DEADLINE" ] || return 1
	if [ "$WC_ANSWER" = passed ]; then
		WC_ANSWER=failed
		WC_DETAIL="passed, but not for min_healthy_time"
	fi
	reject_check
}

reject_check() {
	if [ -f "$wc_dir/red_before" ]; then
		journal "check status=red_before n=$wc_n -- $WC_DETAIL"
		return 0
	fi
	journal "check status=$WC_ANSWER n=$wc_n -- $WC_DETAIL"
	quote_check
	[ "$CHECK_REQUIRED" = 1 ] || return 0
	printf '%s\n' "$(one_line "check '$CHECK_NAME' $WC_ANSWER: $WC_DETAIL")" >"$wc_dir/veto"
}

quote_check() {
	journal_output "check.$CHECK_NAME" "$wc_dir/out"
}

# Before the change: which checks are red already? Only those that ask for it are looked at, once each.
baseline_checks() {
	bc_n=0
	while [ "$bc_n" -lt "$SPEC_checks" ]; do
		read_check "$bc_n"
		if [ "$CHECK_BASELINE" = 1 ]; then
			attempt_check "$JOB/k/$bc_n"
			[ "$WC_ANSWER" = passed ] || : >"$JOB/k/$bc_n/red_before"
		fi
		bc_n=$((bc_n + 1))
	done
}
