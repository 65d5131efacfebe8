# shellcheck shell=sh
# Undoing: started changes only, newest first; what fails is told and the rest goes on. Each item has a limit of its
# own, so that the whole has one: paths that are put back, a rollback, a handler.

# Undoes everything; what failed is tried once more, then the files alone, then the user's last resort. Returns 1
# when something is still broken: it stands in the file `broken`, a line for each.
undo_all() {
	undo_changes && return 0
	journal "undo_again -- what failed is tried once more"
	undo_changes && return 0
	# A rollback that failed half-way may have written to what was put back before.
	restore_alone
	run_failsafe || return 1
	journal "undo_again -- the failsafe has ended well: what was broken is tried and verified anew"
	undo_changes
}

# One pass over everything. What worked before isn't run again; paths are compared each time.
undo_changes() {
	PENDING='' HANDLERS_TRIED=''
	are_handlers_due
	true >"$TX/broken"
	uc_broken=0
	check_seal || uc_broken=1
	uc_n=$((SPEC_changes - 1))
	while [ "$uc_n" -ge 0 ]; do
		[ ! -e "$TX/started.$uc_n" ] || undo_change "$uc_n" || uc_broken=1
		uc_n=$((uc_n - 1))
	done
	undo_handlers || uc_broken=1
	[ "$uc_broken" = 1 ] || rm -f "$TX/broken"
	return "$uc_broken"
}

undo_change() {
	read_change "$1"
	# The mirror of the way there: handlers of files run before the undo of what isn't files.
	if [ "$CHANGE_KIND" != files ]; then undo_handlers || uc_broken=1; read_change "$1"; fi
	WHY=
	if "${CHANGE_KIND}_undo" "$1" all; then
		! has_restored || await_handlers "$1"
		journal "undo_item ok=1 -- $CHANGE_NAME"
		return 0
	fi
	! has_restored || await_handlers "$1"
	item_broken "$CHANGE_NAME: ${WHY:-some paths are not as before}"
	tell_broken "$1"
	return 1
}

# Tells an item that is still broken, and keeps it for whoever asks and for the failsafe.
item_broken() {
	# The same again is no news.
	! grep -qxF -e "$1" "$TX/broken" 2>/dev/null || return 0
	journal "undo_item ok=0 -- $1"
	put "$1" 2>/dev/null >>"$TX/broken"
}

# Whether anything was put back at all: a file of one change may lie below what another one watches, so that its
# handlers are due though its own undo found nothing to do.
has_restored() {
	for hr_mark in "$JOB"/c/*/restored; do
		[ ! -e "$hr_mark" ] || return 0
	done
	return 1
}

# In the boot of the change a handler that never ran has loaded nothing new. After another boot nobody knows what was
# loaded, so all are due.
are_handlers_due() {
	ALL_HANDLERS=1
	read_mark armed || return 0
	read_boot_id
	[ "${MARK##* }" != "$BOOT_ID" ] || ALL_HANDLERS=
}

# A failing handler is a broken undo: nothing else vouches for what runs.
undo_handlers() {
	[ -n "$PENDING" ] || return 0
	run_handlers go_on
}

tell_broken() {
	[ -s "$JOB/c/$1/broken" ] || return 0
	head -n 20 "$JOB/c/$1/broken" >"$JOB/c/$1/broken.told"
	while IFS=/ read -r tb_meta tb_path; do
		item_broken "/$tb_path: ${tb_meta%% *}"
	done <"$JOB/c/$1/broken.told"
}

# Puts paths back, in a process that ends when its time is up: a dead file system holds whoever touches it.
restore_bounded() {
	restore_limit "$1"
	rb_limit=$RESTORE_LIMIT
	[ -z "$RESTORE_CAP" ] || [ "$rb_limit" -le "$RESTORE_CAP" ] || rb_limit=$RESTORE_CAP
	[ -f "$JOB/c/$1/before" ] || return 0
	(
		take_identity_of_self >"$TX/restorer"
		restore_snapshot "$1" "$2"
	) </dev/null &
	await_step "$!" "$rb_limit" "$JOB/c/$1/late"
	rb_code=$?
	[ "$rb_code" != 124 ] || WHY="putting its paths back did not end within $rb_limit s"
	return "$rb_code"
}

# The files of all changes, without anybody's commands.
restore_alone() {
	ra_n=$((SPEC_changes - 1)) ra_scripts=
	while [ "$ra_n" -ge 0 ]; do
		[ ! -e "$TX/started.$ra_n" ] || { read_change "$ra_n" && [ "$CHANGE_KIND" = files ]; } || ra_scripts=1
		ra_n=$((ra_n - 1))
	done
	[ -n "$ra_scripts" ] || return 0
	ra_n=$((SPEC_changes - 1))
	while [ "$ra_n" -ge 0 ]; do
		if [ -e "$TX/started.$ra_n" ]; then
			read_change "$ra_n"
			restore_bounded "$ra_n" all || tell_broken "$ra_n"
		fi
		ra_n=$((ra_n - 1))
	done
}

# Sets RESTORE_LIMIT: seconds that putting the paths of change N back may take; a slow disk does 50 files or 4 MB in
# one. Sizes are cut as text, because mksh counts in 32 bits. The controller computes the same (core's `undo`).
restore_limit() {
	read_change "$1"
	RESTORE_LIMIT=0
	[ -f "$JOB/c/$1/before" ] || return 0
	rl_paths=0 rl_kb=0
	while read -r _ _ _ rl_size _; do
		rl_paths=$((rl_paths + 1))
		case $rl_size in ????*) rl_kb=$((rl_kb + ${rl_size%???})) ;; esac
	done <"$JOB/c/$1/before"
	RESTORE_LIMIT=$CHANGE_TIMEOUT
	[ "$RESTORE_LIMIT" -ge 30 ] || RESTORE_LIMIT=30
	RESTORE_LIMIT=$((RESTORE_LIMIT + rl_paths / 50 + rl_kb / 4000))
}

# Sets UNDO_LIMIT: the longest, in seconds, that an undo of this transaction may take. An item that is ended may take
# three seconds more to go.
undo_limit() {
	ul_pass=0 ul_files=0 ul_handlers=' ' ul_longest=0 ul_scripts=0
	ul_n=0
	while [ "$ul_n" -lt "$SPEC_changes" ]; do
		read_change "$ul_n"
		if change_is_due "$ul_n"; then limit_of_change "$ul_n"; fi
		ul_n=$((ul_n + 1))
	done
	# shellcheck disable=SC2086 # names, split on purpose
	set -- $ul_handlers
	ul_pass=$((ul_pass + $# * (ul_longest + 3)))
	UNDO_LIMIT=$((2 * ul_pass + ul_scripts * ul_files + 15))
	! has_command "$JOB/failsafe" || UNDO_LIMIT=$((UNDO_LIMIT + ul_pass + SPEC_apply_timeout + 3))
	[ "$SPEC_failsafe_reboot" != 1 ] || UNDO_LIMIT=$((UNDO_LIMIT + 150))
}

limit_of_change() {
	restore_limit "$1"
	[ "$RESTORE_LIMIT" = 0 ] || RESTORE_LIMIT=$((RESTORE_LIMIT + 3))
	ul_files=$((ul_files + RESTORE_LIMIT))
	ul_pass=$((ul_pass + RESTORE_LIMIT))
	case $CHANGE_KIND in
	files) limit_of_handlers "$1" ;;
	revert) limit_of_revert "$1" ;;
	*)
		ul_scripts=1
		! has_command "$JOB/c/$1/cmd.rollback" ||
			ul_pass=$((ul_pass + CHANGE_TIMEOUT + 3 + RESTORE_LIMIT))
		;;
	esac
}

# Its handlers, and the scripts that would have to be applied again.
limit_of_revert() {
	limit_of_handlers "$1"
	[ -s "$JOB/c/$1/scripts" ] || return 0
	ul_scripts=1 lr_job=$JOB
	ul_pass=$((ul_pass + RESTORE_LIMIT))
	while read -r lr_age _ lr_n; do
		JOB=$lr_job/c/$1/script/$lr_age
		read_change "$lr_n"
		ul_pass=$((ul_pass + 2 * (CHANGE_TIMEOUT + 3)))
	done <"$lr_job/c/$1/scripts"
	JOB=$lr_job
}

limit_of_handlers() {
	[ -s "$JOB/c/$1/handlers" ] || return 0
	[ "$CHANGE_TIMEOUT" -le "$ul_longest" ] || ul_longest=$CHANGE_TIMEOUT
	while IFS= read -r lc_name; do
		case $ul_handlers in *" $lc_name "*) ;; *) ul_handlers="$ul_handlers$lc_name " ;; esac
	done <"$JOB/c/$1/handlers"
}
