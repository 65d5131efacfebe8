# shellcheck shell=sh
# Leases: a run that is about to change several hosts takes one on each before it begins the first. A lease keeps
# others waiting and nothing more: what is begun is held by `current` alone.
#
# lease/N is hard-linked into place, so of several who take over what they have read only one wins. The highest number
# counts, and is never reused: the highest file stays, emptied when it is given back.

# Whether somebody holds a lease here. Sets LEASE to the highest number, and what stands in its file.
read_lease() {
	LEASE=0
	for rl_file in "$STATE_DIR"/lease/[0-9]*; do
		rl_number=${rl_file##*/}
		case $rl_number in *[!0-9]* | ??????????*) continue ;; esac
		[ "$rl_number" -le "$LEASE" ] || LEASE=$rl_number
	done
	LEASE_RUN='' LEASE_UNTIL='' LEASE_SINCE='' LEASE_OWNER=unknown LEASE_BRANCH=- LEASE_URL=- LEASE_COMMENT=''
	[ "$LEASE" -gt 0 ] || return 1
	rl_boot='' rl_whole=''
	while read -r rl_key rl_value; do
		case $rl_key in
		run) LEASE_RUN=$rl_value ;;
		until) LEASE_UNTIL=$rl_value ;;
		since) LEASE_SINCE=$rl_value ;;
		boot) rl_boot=$rl_value ;;
		owner) LEASE_OWNER=$rl_value ;;
		branch) LEASE_BRANCH=$rl_value ;;
		url) LEASE_URL=$rl_value ;;
		comment) LEASE_COMMENT=$rl_value ;;
		end) rl_whole=1 ;;
		esac
	done 2>/dev/null <"$STATE_DIR/lease/$LEASE" || rl_whole=''
	if [ -z "$rl_whole" ]; then
		# Given back; or taken over and swept in this very moment, and then there is a higher one.
		[ -e "$STATE_DIR/lease/$LEASE" ] || { read_lease && return 0; }
		return 1
	fi
	case $LEASE_UNTIL$LEASE_SINCE in '' | *[!0-9-]*) return 1 ;; esac
	read_now
	read_boot_id
	[ "$rl_boot" = "$BOOT_ID" ] && [ $((LEASE_UNTIL - NOW)) -gt 0 ]
}

# take_lease RUN SECONDS: takes the lease for a run, or renews it. Fails when another run holds it: LEASE_RUN; or with
# WHY when it can't be written.
take_lease() {
	WHY=
	[ -d "$STATE_DIR/lease" ] || mkdir -p "$STATE_DIR/lease"
	tl_file=$STATE_DIR/lease/new.$$
	# Who loses to one that is given back at once has seen nobody, and tries again.
	for tl_try in 1 2 3; do
		tl_since=
		if read_lease; then
			[ "$LEASE_RUN" = "$1" ] || return 1
			tl_since=$LEASE_SINCE
		fi
		read_now
		read_boot_id
		put "run $1
until $((NOW + $2 * 100))
since ${tl_since:-$NOW}
boot $BOOT_ID
owner $SPEC_owner
branch $SPEC_branch
url $SPEC_url
comment $SPEC_comment
end" 2>/dev/null >"$tl_file" || {
			WHY="the lease could not be written in $STATE_DIR"
			rm -f "$tl_file"
			return 1
		}
		link_lease $((LEASE + 1)) && return 0
	done
	WHY="others take and give back the lease of this host all the time"
	return 1
}

# link_lease NUMBER: puts the new file into place, if it is the next, and sweeps those before it.
link_lease() {
	ll_goal=$STATE_DIR/lease/$1
	ln "$tl_file" "$ll_goal" 2>/dev/null
	ll_won=
	# Somebody who read it long ago may find a number free that was swept: only the highest counts.
	if [ "$ll_goal" -ef "$tl_file" ]; then
		if read_lease && [ "$LEASE" = "$1" ]; then ll_won=1; else rm -f "$ll_goal"; fi
	fi
	set -- "$tl_file"
	for ll_file in "$STATE_DIR"/lease/[0-9]*; do
		ll_number=${ll_file##*/}
		case $ll_number in *[!0-9]*) continue ;; esac
		[ "$ll_number" -ge "$LEASE" ] || set -- "$@" "$ll_file"
	done
	rm -f "$@"
	[ -n "$ll_won" ]
}

# Ends the lease that was just read. What its number was stays.
end_lease() {
	true >"$STATE_DIR/lease/$LEASE"
}

# lease_host RUN SECONDS: takes or renews the lease, if the host is free. Fails with REFUSED (locked or leased) and WHY; who
# is there has been told then.
lease_host() {
	if [ ! -e "$STATE_DIR/tx/$1" ]; then
		! is_locked_for "$1" || return 1
		take_lease "$1" "$2" || {
			REFUSED=leased
			tell_lease "$1"
			WHY=${WHY:-another run is about to change this host}
			return 1
		}
		# Whoever begins looks for a lease once the lock is theirs: so one of the two sees the other. And a renewal that
		# was held up must not keep a host that has been begun meanwhile.
		if [ -e "$STATE_DIR/tx/$1" ] || is_locked_for "$1"; then
			! read_lease || [ "$LEASE_RUN" != "$1" ] || end_lease
			[ -e "$STATE_DIR/tx/$1" ] || return 1
		fi
	fi
	tell "leased left=$2"
}

# Whether another run's transaction is open; tells it.
is_locked_for() {
	read_current && [ "$CURRENT" != "$1" ] || return 1
	REFUSED=locked
	WHY="another transaction is open on this host"
	tell_pending
}

# Tells who holds the lease, unless it is this run.
tell_lease() {
	read_lease && [ "$LEASE_RUN" != "$1" ] || return 0
	tell "lease run=$LEASE_RUN left=$(((LEASE_UNTIL - NOW + 99) / 100)) age=$(((NOW - LEASE_SINCE) / 100)) owner=$LEASE_OWNER branch=$LEASE_BRANCH url=$LEASE_URL -- $LEASE_COMMENT"
}

# A run that begins needs its lease no longer; somebody else's keeps it from beginning. The lock is ours.
honour_lease() {
	read_lease || return 0
	if [ "$LEASE_RUN" != "$ID" ]; then
		tell_lease "$ID"
		refuse leased "another run is about to change this host"
	fi
	end_lease
}

# lease RUN SECONDS, who and what for on standard input: takes or renews the lease of a host that nobody works on.
verb_lease() {
	contact
	is_seconds "$2" || give_up "a lease can't last '$2' seconds"
	read_spec ''
	read_spec_lines
	lease_host "$1" "$2" || refuse "$REFUSED" "$WHY"
	tell end
}

# unlease RUN: gives back what this run holds, and nothing else.
verb_unlease() {
	if read_lease && [ "$LEASE_RUN" = "$1" ]; then
		end_lease
		tell unleased
	else
		tell "untouched -- run $1 holds no lease here"
	fi
	tell end
}
