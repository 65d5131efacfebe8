# shellcheck shell=sh
# The record on disk: times, marks that survive a power cut, and the state they add up to.

# Sets NOW to centiseconds since boot, suspend included. The wall clock is for people. mksh counts in 32 bits, which
# is 248 days: so times are only ever compared by their difference.
read_now() {
	read -r rn_up _ </proc/uptime
	NOW=$((${rn_up%.*} * 100 + 1${rn_up#*.} - 100))
}

# fsync of files and directories. coreutils before 8.24 and a plain busybox ignore the names and sync everything,
# which is slower and never weaker.
durable() {
	sync "$@"
}

# Writes a mark. Without its last line it is torn, by a power cut or because it is just being written, and doesn't
# count. On its own this is for what matters in this boot alone.
note() {
	nt_file=$TX/$1
	shift
	# What is no file was put there by somebody else, and may lead elsewhere.
	if [ -L "$nt_file" ] || [ -d "$nt_file" ]; then rm -rf "$nt_file"; fi
	put "$*
end" 2>/dev/null >"$nt_file"
}

# Writes a mark and makes it durable: what must be known after a power cut.
mark() {
	note "$@" && durable "$nt_file" "$TX"
}

# Sets MARK to the content of a whole mark; fails when it isn't there or is torn.
read_mark() {
	MARK=
	[ -f "$TX/$1" ] || return 1
	{
		IFS= read -r MARK && IFS= read -r rm_end
	} 2>/dev/null <"$TX/$1" || return 1
	[ "$rm_end" = end ]
}

# Reads "key value" lines of the job into SPEC_key. Only known keys: a file never names a variable.
read_spec() {
	SPEC_owner=unknown SPEC_comment='' SPEC_digest='' SPEC_token='' SPEC_state_digest=''
	SPEC_apply_timeout=300 SPEC_window=60 SPEC_hard_cap=900 SPEC_settle=0 SPEC_volatile=0
	SPEC_fleet=- SPEC_keep=5 SPEC_failsafe_reboot=0 SPEC_changes=0 SPEC_checks=0 SPEC_host='' SPEC_address='' SPEC_run=''
	SPEC_branch=- SPEC_url=- SPEC_lease=0 SPEC_red_waits=0
	[ -f "$1" ] || return 1
	read_spec_lines <"$1"
}

read_spec_lines() {
	while read -r rp_key rp_value; do
		case $rp_key in
		owner) SPEC_owner=$rp_value ;;
		comment) SPEC_comment=$rp_value ;;
		digest) SPEC_digest=$rp_value ;;
		token) SPEC_token=$rp_value ;;
		state_digest) SPEC_state_digest=$rp_value ;;
		apply_timeout) SPEC_apply_timeout=$rp_value ;;
		window) SPEC_window=$rp_value ;;
		hard_cap) SPEC_hard_cap=$rp_value ;;
		settle) SPEC_settle=$rp_value ;;
		volatile) SPEC_volatile=$rp_value ;;
		failsafe_reboot) SPEC_failsafe_reboot=$rp_value ;;
		changes) SPEC_changes=$rp_value ;;
		checks) SPEC_checks=$rp_value ;;
		host) SPEC_host=$rp_value ;;
		address) SPEC_address=$rp_value ;;
		run) SPEC_run=$rp_value ;;
		fleet) SPEC_fleet=$rp_value ;;
		keep) SPEC_keep=$rp_value ;;
		branch) SPEC_branch=$rp_value ;;
		url) SPEC_url=$rp_value ;;
		lease) SPEC_lease=$rp_value ;;
		red_waits) SPEC_red_waits=$rp_value ;;
		end) return 0 ;;
		esac
	done
}

# Sets DEADLINE (centiseconds since boot): apply's end plus the window once apply has ended, before that the
# arming plus apply's limit; both plus all extensions, never later than the hard cap, CAP. DEADLINE_TURN is the turn
# that was open when it was read, DECISION what was decided. Fails when the guard isn't armed in this boot.
read_deadline() {
	DEADLINE=0
	DEADLINE_TURN=
	read_mark armed || return 1
	rd_armed=${MARK%% *}
	rd_boot=${MARK##* }
	read_boot_id
	[ "$rd_boot" = "$BOOT_ID" ] || return 1
	DEADLINE=$((rd_armed + SPEC_apply_timeout * 100))
	if read_mark applied; then
		DEADLINE=$((MARK + SPEC_window * 100))
	fi
	read_decision
	DEADLINE_TURN=$TURN
	DEADLINE=$((DEADLINE + EXTENDED * 100))
	CAP=$((rd_armed + SPEC_hard_cap * 100))
	[ $((DEADLINE - CAP)) -le 0 ] || DEADLINE=$CAP
}

# Sets STATE to the transaction's word. Derived from what is on disk, never stored beside it.
read_state() {
	if read_mark 'done'; then
		STATE=$MARK
		return
	fi
	read_decision
	case $DECISION in
	confirm) STATE=confirming ;;
	rollback)
		STATE=rolling_back
		if read_mark undo_failed && ! carrier_alive; then STATE=rollback_failed; fi
		;;
	*)
		if read_mark ready; then
			STATE=ready
		elif read_mark applied; then
			STATE=applied
		elif [ -f "$TX/go" ]; then
			STATE=applying
		elif read_mark armed; then
			STATE=armed
		else
			STATE=locked
		fi
		;;
	esac
}

# The legal moves; a test compares them with the controller's table.
state_moves() {
	cat <<'TABLE'
locked: armed discarded
armed: applying rolling_back
applying: applied rolling_back
applied: ready rolling_back
ready: confirming rolling_back
confirming: confirmed
rolling_back: rolled_back rollback_failed
confirmed:
rolled_back:
rollback_failed: rolling_back
discarded:
TABLE
}

# Opens a transaction: sets ID, TX, JOB and its spec.
open_tx() {
	case $1 in '' | */* | .*) return 1 ;; esac
	ID=$1
	TX=$STATE_DIR/tx/$ID
	JOB=$TX/job
	# What was begun is ended by the agent that began it.
	[ ! -f "$TX/agent.sh" ] || AGENT=$TX/agent.sh
	use_rescue
	[ -d "$TX" ] && read_spec "$TX/job/spec"
}

# Sets CURRENT to the id that holds the host's lock. Where the lock can't be read whole, it is the one that is open.
read_current() {
	CURRENT=
	[ -f "$STATE_DIR/current" ] && ! [ -L "$STATE_DIR/current" ] || return 1
	if IFS= read -r CURRENT <"$STATE_DIR/current" && [ -n "$CURRENT" ]; then return 0; fi
	find_open
}

# Sets CURRENT to the transaction that isn't over: armed, or its session lives.
find_open() {
	CURRENT=
	for fo_dir in "$STATE_DIR"/tx/*/; do
		[ ! -f "${fo_dir}done" ] || continue
		if [ -s "${fo_dir}armed" ] || [ -f "${fo_dir}go" ] || is_alive "${fo_dir}holder"; then
			CURRENT=${fo_dir%/} && CURRENT=${CURRENT##*/}
			return 0
		fi
	done
	return 1
}
