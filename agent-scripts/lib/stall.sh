# shellcheck shell=sh
# A session that holds the lock, has armed nothing yet, and does nothing any more: stopped, frozen, or hung in the kernel.
# It may go on at any moment; so one lot is drawn for each transaction, by who arms it or by who discards it.

# For how many centiseconds it may do nothing at all. A disk that is slow still costs a tick now and then.
STALL=12000

# Draws the lot (O_EXCL); fails when it is drawn.
draw_lot() {
	set -C
	put "$1" 2>/dev/null >"$TX/lot"
	dl_code=$?
	set +C
	return "$dl_code"
}

# Sets PULSE to what a process and all below it have done so far: who they are, and their ticks on a processor.
take_pulse() {
	PULSE=''
	walk_tree "$1" add_pulse
}

# Its own ticks and those of children that have ended: fields 14 to 17.
add_pulse() {
	ap_pid=$1
	read -r ap_line 2>/dev/null <"/proc/$1/stat" || return 0
	# shellcheck disable=SC2086 # the fields are numbers, split on purpose
	set -- ${ap_line##*") "}
	shift 11
	PULSE=$PULSE$ap_pid:$1:$2:$3:$4,
}

# Whether the living holder (ALIVE_PID) has done nothing for as long as it may. Whoever visits looks, and writes down
# since when.
is_stalled() {
	take_pulse "$ALIVE_PID"
	read_now
	iss_pulse='' iss_since=''
	read -r iss_pulse iss_since 2>/dev/null <"$TX/pulse" || iss_pulse=
	if [ "$iss_pulse" != "$PULSE" ] || [ -z "$iss_since" ]; then
		put "$PULSE $NOW" 2>/dev/null >"$TX/pulse"
		return 1
	fi
	[ $((NOW - iss_since)) -ge "$STALL" ]
}

# Discards what a session that is silent for too long has begun. It may live, and finds out before it arms.
discard_stalled() {
	is_stalled || return 0
	if ! draw_lot discard; then
		ds_word=
		read -r ds_word 2>/dev/null <"$TX/lot" || ds_word=
		if [ "$ds_word" != discard ]; then
			# It was just about to arm: only its end leaves no doubt.
			end_holder
			! is_alive "$TX/holder" && is_unarmed || return 0
		fi
	fi
	discard_dead
}

# Whether somebody else has discarded what this session has begun.
is_taken_over() {
	[ -n "$ID" ] && ! [ -s "$TX/armed" ] && { [ -f "$TX/done" ] || ! [ -d "$TX" ]; }
}

# Prints in how many seconds the lock may be taken over, or - where that isn't so.
over_in() {
	oi_since=
	[ "$STATE" = locked ] && is_alive "$TX/holder" && read -r _ oi_since 2>/dev/null <"$TX/pulse" || oi_since=
	[ -n "$oi_since" ] || {
		put -
		return
	}
	oi_left=$(((oi_since + STALL - NOW + 99) / 100))
	[ "$oi_left" -ge 0 ] || oi_left=0
	put "$oi_left"
}
