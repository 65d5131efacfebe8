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

# Runs all checks side by side; returns 1 when a required one failed.
run_checks() {
	rks_n=0
	while [ "$rks_n" -lt "$SPEC_checks" ]; do
		(watch_check "$rks_n") </dev/null >/dev/null 2>&1 &
		rks_n=$((rks_n + 1))
	done
	wait
	# A watcher that was killed has judged nothing, and nothing is no pass.
	rks_n=0
	while [ "$rks_n" -lt "$SPEC_checks" ]; do
		if [ ! -e "$JOB/k/$rks_n/judged" ] && ! read_mark failed; then
			read_check "$rks_n"
			[ "$CHECK_REQUIRED" != 1 ] || fail "check '$CHECK_NAME' came to no verdict"
		fi
		rks_n=$((rks_n + 1))
	done
	! read_mark failed
}

# Asks one check until it is judged.
watch_check() {
	read_check "$1"
	# What is asked after an undo is asked briefly: the first pass is enough.
	[ "$CHECK_LINE" = check ] || CHECK_HEALTHY=0
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
		[ "$wc_rest" -le 0 ] || rest "$wc_rest"
	done
}

# One attempt. Sets WC_ANSWER to passed, failed or error and WC_DETAIL to why. A flood is read away by tail, which
# keeps the end alone. What a check leaves behind in its process group ends with it: else it could hold the pipe.
attempt_check() {
	WC_ANSWER=error WC_DETAIL="it could not be run"
	[ -p "$1/pipe" ] || mkfifo "$1/pipe" || return 0
	tail -c 4000 <"$1/pipe" >"$1/out" &
	ac_reader=$!
	(become_command "" "$1/cmd" "$1/pipe") &
	ac_leader=$!
	await_step "$ac_leader" "$CHECK_TIMEOUT" "$1/late"
	ac_code=$?
	[ -z "$SETSID" ] || kill -KILL "-$ac_leader" 2>/dev/null
	settle_reader "$ac_reader"
	case $ac_code in
	0)
		WC_ANSWER=passed WC_DETAIL=
		return 0
		;;
	124 | 126 | 127) WC_ANSWER=error ;;
	*) WC_ANSWER=failed ;;
	esac
	WC_DETAIL=$(step_reason "$ac_code" "$CHECK_TIMEOUT" "$1/out")
}

# The reader ends with the last writer, within a moment. One that is still held open gets half a second.
settle_reader() {
	se_left=110
	while [ "$se_left" -gt 0 ] && read_stat "$1" && [ "$STAT_STATE" != Z ]; do
		[ "$se_left" -gt 10 ] || rest 5
		se_left=$((se_left - 1))
	done
	end_child "$1" KILL
}

# Judges after an attempt; returns 0 when the check is decided. The same rule as core::check::Judge.
judge_check() {
	if [ "$WC_ANSWER" = passed ]; then
		wc_passed=1
		[ -n "$wc_since" ] || wc_since=$wc_began
		if [ $((NOW - wc_since)) -ge "$CHECK_HEALTHY" ]; then
			journal_quietly "$CHECK_LINE status=passed n=$wc_n -- "
			true >"$wc_dir/judged"
			return 0
		fi
	else
		wc_since=
		if [ "$wc_passed" = 1 ]; then
			wc_failures=$((wc_failures + 1))
			if [ "$wc_failures" -gt "$CHECK_LIMIT" ]; then
				reject_check
				return
			fi
		fi
	fi
	[ $((NOW - wc_zero)) -ge "$CHECK_DEADLINE" ] || return 1
	if [ "$WC_ANSWER" = passed ]; then
		WC_ANSWER=failed
		WC_DETAIL="passed, but not for min_healthy_time"
	fi
	reject_check
}

# A red check. A required one fails the host at once, whatever the others still do.
reject_check() {
	if [ -f "$wc_dir/red_before" ]; then
		journal "$CHECK_LINE status=red_before n=$wc_n -- $WC_DETAIL"
		true >"$wc_dir/judged"
		return 0
	fi
	# What it printed has been told when it failed the first time.
	[ "$CHECK_LINE" = recheck ] || journal_output "check.$CHECK_NAME" "$wc_dir/out"
	journal "$CHECK_LINE status=$WC_ANSWER n=$wc_n -- $WC_DETAIL"
	if [ "$CHECK_LINE" = recheck ]; then
		true >"$wc_dir/red"
		return 0
	fi
	[ "$CHECK_REQUIRED" != 1 ] || veto
}

# Before the change: which checks are red already? Only those that ask for it are looked at, once each.
baseline_checks() {
	bc_n=0
	while [ "$bc_n" -lt "$SPEC_checks" ]; do
		read_check "$bc_n"
		if [ "$CHECK_BASELINE" = 1 ]; then
			attempt_check "$JOB/k/$bc_n"
			[ "$WC_ANSWER" = passed ] || true >"$JOB/k/$bc_n/red_before"
		fi
		bc_n=$((bc_n + 1))
	done
}

# After an undo: do the checks hold? It is told and decides nothing; the lock is free by then. Sets HEALTHY to yes, no,
# unknown, or - where no required check is left to ask. Red before the change doesn't count.
recheck() {
	HEALTHY=-
	set -- "$TX"/started.*
	[ -e "$1" ] || return 0
	CHECK_LINE=recheck
	set --
	rck_n=0
	while [ "$rck_n" -lt "$SPEC_checks" ]; do
		rm -f "$JOB/k/$rck_n/judged" "$JOB/k/$rck_n/red"
		(watch_check "$rck_n") </dev/null >/dev/null 2>&1 &
		set -- "$@" "$!"
		rck_n=$((rck_n + 1))
	done
	for rck_pid do wait_for "$rck_pid"; done
	sum_up_rechecks
}

sum_up_rechecks() {
	rck_n=0
	while [ "$rck_n" -lt "$SPEC_checks" ]; do
		read_check "$rck_n"
		if [ "$CHECK_REQUIRED" != 1 ] || [ -e "$JOB/k/$rck_n/red_before" ]; then
			:
		elif [ -e "$JOB/k/$rck_n/red" ]; then
			HEALTHY=no
		elif ! [ -e "$JOB/k/$rck_n/judged" ]; then
			[ "$HEALTHY" = no ] || HEALTHY=unknown
		elif [ "$HEALTHY" = - ]; then
			HEALTHY=yes
		fi
		rck_n=$((rck_n + 1))
	done
}

# probe: asks each remote check of a job once, whatever is or isn't going on here, and changes nothing.
verb_probe() {
	JOB=$INBOX/job
	TX=$INBOX
	ID=probe-$NONCE
	contact
	read_spec "$JOB/spec" || give_up "the job has no spec"
	vp_n=0
	while [ "$vp_n" -lt "$SPEC_checks" ]; do
		attempt_probe "$vp_n"
		vp_n=$((vp_n + 1))
	done
	drop_inbox
	tell end
}

attempt_probe() {
	read_check "$1"
	attempt_check "$JOB/k/$1"
	tell "probed n=$1 status=$WC_ANSWER -- $WC_DETAIL"
}
