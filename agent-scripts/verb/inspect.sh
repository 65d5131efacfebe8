# shellcheck shell=sh
# Looking at the host: what is, what would change, how the guard would be armed. Changes nothing; a lease may be asked
# for along with it.

verb_inspect() {
	JOB=$INBOX/job
	TX=$INBOX
	ID=inspect-$NONCE
	REPORT=$INBOX/report
	REPORT_ALOUD=1
	contact
	tell_host
	tell_pending
	read_spec "$JOB/spec" || give_up "the job has no spec"
	tell_lease "$SPEC_run"
	WHY="the host could not be inspected"
	if ! inspect_changes; then
		tell "refused reason=inspect -- $WHY"
	else
		tell_limits
		[ "${1:-}" != texts ] || tell_texts
		tell "state_digest sum=$STATE_DIGEST"
		if is_any_due; then
			tell_space
			! is_seconds "$SPEC_lease" || lease_host "$SPEC_run" "$SPEC_lease"
		fi
	fi
	drop_inbox
	tell end
}

# Whether any change has something to do.
is_any_due() {
	ad_n=0
	while [ "$ad_n" -lt "$SPEC_changes" ]; do
		read_change "$ad_n"
		! change_is_due "$ad_n" || return 0
		ad_n=$((ad_n + 1))
	done
	return 1
}

tell_host() {
	is_volatile "$STATE_DIR" && th_volatile=1 || th_volatile=0
	read_free "$STATE_DIR"
	th_shell=$(readlink "/proc/$$/exe" 2>/dev/null)
	tell "hello version=1 uid=$UID_NOW backend=$BACKEND hook=$HOOK volatile=$th_volatile free_kib=$FREE_KIB shell=${th_shell##*/} -- $STATE_DIR"
	read_connection || tell "limit kind=no_connection -- no sshd or dropbear was found above this session: a confirmation could not be proved fresh"
}

tell_texts() {
	tx_n=0
	while [ "$tx_n" -lt "$SPEC_changes" ]; do
		read_change "$tx_n"
		[ "$CHANGE_KIND" != files ] || files_tell_texts "$tx_n"
		tx_n=$((tx_n + 1))
	done
}

# What the guard would not cover, before anybody agrees to it.
tell_limits() {
	[ "$CP_KEEPS_ALL" = 1 ] || tell "limit kind=attributes -- this host's cp keeps no ACLs, extended attributes or capabilities: a watched file gets its content, owner and mode back, a replaced one all of it; a directory made anew inherits what the one above hands down"
	read_mounts
	# Mostly there is none at all, and then nobody needs to read the lists.
	tl_lists=
	case $MOUNTS in *" nfs"* | *" cifs "* | *" smb"* | *" 9p "* | *" fuse.sshfs "* | *" autofs "* | *" ceph "*) tl_lists='differ watch' ;; esac
	tl_n=0
	while [ "$tl_n" -lt "$SPEC_changes" ]; do
		tell_mounts_below "$JOB/c/$tl_n"
		for tl_list in $tl_lists; do
			[ -f "$JOB/c/$tl_n/$tl_list" ] || continue
			while IFS=/ read -r _ tl_path; do
				find_mount "/$tl_path"
				case $MOUNT_TYPE in
				nfs* | cifs | smb* | 9p | fuse.sshfs | autofs | ceph)
					tell "limit kind=network_fs -- /$tl_path lies on $MOUNT_TYPE: it is not undone early at boot"
					break
					;;
				esac
			done <"$JOB/c/$tl_n/$tl_list"
		done
		tl_n=$((tl_n + 1))
	done
	tell_mount_limits
}

# What is mounted below a watched or purged directory is another file system, and left alone.
tell_mounts_below() {
	for tm_list in "$1/watch" "$1/purge"; do
		[ -s "$tm_list" ] || continue
		while IFS= read -r tm_root; do
			find_mounts_below "$tm_root"
			[ -z "$MOUNTS_BELOW" ] || tell "limit kind=mount_below -- below $tm_root these are file systems of their own and not covered:$MOUNTS_BELOW"
		done <"$tm_list"
	done
}
