# shellcheck shell=sh
# History: what a confirmed transaction leaves behind, so that one can go back to before it.
#
#   seq     "NUMBER FLEET KIND": its place among all of this host, and whether it is itself a rollback (run, rollback)
#   kept    what going back needs is here, and nothing else
#   freed   it is not: of each change only `mine` is left, the paths it spoke for

# Gives the transaction its place. The lock is ours, so nobody else counts.
take_place() {
	tk_last=0 tk_kind=run
	for tk_dir in "$STATE_DIR"/tx/*/; do
		read_place "$tk_dir" && [ "$PLACE" -gt "$tk_last" ] && tk_last=$PLACE
	done
	[ ! -f "$JOB/c/0/to" ] || tk_kind=rollback
	put "$((tk_last + 1)) $SPEC_fleet $tk_kind" >"$TX/seq"
}

# Sets PLACE, PLACE_FLEET and PLACE_KIND of a record's folder.
read_place() {
	PLACE='' PLACE_FLEET='' PLACE_KIND=''
	[ -f "$1/seq" ] && read -r PLACE PLACE_FLEET PLACE_KIND <"$1/seq" || return 1
	case $PLACE in '' | *[!0-9]*) return 1 ;; esac
}

# Sets HELD of a record's folder: confirmed or accepted (it can be gone back over), freed; or nothing, when it is no
# part of the history: nothing was changed, or it was undone.
read_held() {
	HELD=
	[ -f "$1/done" ] && read_place "$1" || return 1
	if [ -e "$1/freed" ]; then
		HELD=freed
		return 0
	fi
	IFS= read -r HELD <"$1/done"
	case $HELD in confirmed | accepted) ;; *) HELD='' ;; esac
	# Where nothing was started nothing was changed.
	set -- "$1"/started.*
	[ -e "$1" ] || HELD=
	[ -n "$HELD" ]
}

# Leaves of a confirmed transaction what going back needs. It may be cut and done again.
keep_transaction() {
	[ ! -e "$TX/kept" ] && [ ! -e "$TX/freed" ] || return 0
	kt_n=0
	set --
	while [ "$kt_n" -lt "$SPEC_changes" ]; do
		kt_dir=$JOB/c/$kt_n
		if [ -e "$TX/started.$kt_n" ]; then
			settle_links "$kt_dir" || return 1
			for kt_file in "$kt_dir"/*; do
				is_kept "${kt_file##*/}" || set -- "$@" "$kt_file"
			done
		else
			set -- "$@" "$kt_dir"
		fi
		kt_n=$((kt_n + 1))
	done
	[ $# -eq 0 ] || rm -rf -- "$@"
	true >"$TX/kept"
}

is_kept() {
	case $1 in
	spec | cmd.apply.* | cmd.unless.* | cmd.rollback.* | facts | output | handlers) ;;
	touched | paths | before | dirs | roots | mounts | snap | after | after.end | runs) ;;
	*) return 1 ;;
	esac
}

# A name of ours on a file that lives would give it one too many: Debian's cron skips a file with two. Of what was
# linked there is a copy as well, but for big files: of those that live on under another name one is made now.
settle_links() {
	[ -e "$1/link" ] || return 0
	rm -rf "$1/link"
	[ -s "$1/link.big" ] || return 0
	while IFS= read -r sl_path; do
		real "$1/snap${sl_path#"$1/link"}"
		[ -f "$REAL" ] && [ "$(stat -c %h -- "$REAL")" != 1 ] || continue
		cp -a -- "$REAL" "$REAL.$$" && mv -f -- "$REAL.$$" "$REAL" || {
			rm -f -- "$REAL.$$" "$REAL"
			return 1
		}
	done <"$1/link.big"
}

# Frees a transaction: what is left says which paths it spoke for.
free_transaction() {
	for ft_dir in "$1"/job/c/*/; do
		ft_dir=${ft_dir%/}
		[ -d "$ft_dir" ] || continue
		[ -f "$ft_dir/mine" ] || { all_paths_of "$ft_dir" >"$ft_dir/mine.new" && mv -f "$ft_dir/mine.new" "$ft_dir/mine"; } || return 1
	done
	true >"$1/freed"
	ft_tx=$1
	set -- "$1/job/h" "$1/job/vars" "$1"/theirs*
	for ft_file in "$ft_tx"/job/c/*/*; do
		case ${ft_file##*/} in mine | runs) ;; *) set -- "$@" "$ft_file" ;; esac
	done
	rm -rf -- "$@"
	read_place "$ft_tx"
	[ "$PLACE_KIND" != run ] || note_freed "$PLACE_FLEET" "${ft_tx##*/}"
}

# Remembers the newest run of a fleet that was freed: nobody can go back to before it.
note_freed() {
	nf_run=$2
	{
		[ ! -f "$STATE_DIR/freed" ] || while read -r nf_fleet nf_last; do
			if [ "$nf_fleet" != "$1" ]; then
				put "$nf_fleet $nf_last"
			elif sorts_before "$nf_run" "$nf_last"; then
				nf_run=$nf_last
			fi
		done <"$STATE_DIR/freed"
		put "$1 $nf_run"
	} >"$STATE_DIR/freed.$$" && mv -f "$STATE_DIR/freed.$$" "$STATE_DIR/freed"
}

# Sets FREED to the newest run of a fleet that was freed.
read_freed() {
	FREED=
	[ -f "$STATE_DIR/freed" ] || return 0
	while read -r rf_fleet rf_run; do
		[ "$rf_fleet" != "$1" ] || FREED=$rf_run
	done <"$STATE_DIR/freed"
}

# Whether an id is older than another one, or the same: they are ULIDs.
sorts_before() {
	put "$1
$2" | LC_ALL=C sort -c 2>/dev/null
}

# Frees what is more than the fleet wants kept. The newest is never freed here, whatever it wants.
prune_history() {
	[ "$SPEC_keep" -ge 1 ] || SPEC_keep=1
	while :; do
		ph_count=0 ph_first='' ph_oldest=
		for ph_dir in "$STATE_DIR"/tx/*/; do
			ph_dir=${ph_dir%/}
			read_held "$ph_dir" && [ "$HELD" != freed ] || continue
			# One whose cleaning was cut.
			[ -e "$ph_dir/kept" ] || (open_tx "${ph_dir##*/}" && keep_transaction)
			[ "$PLACE_KIND" = run ] || continue
			[ -n "$ph_oldest" ] && [ "$PLACE" -gt "$ph_oldest" ] || ph_oldest=$PLACE
			[ "$PLACE_FLEET" = "$SPEC_fleet" ] || continue
			ph_count=$((ph_count + 1))
			if [ -z "$ph_first" ] || [ "$PLACE" -lt "$ph_least" ]; then ph_first=$ph_dir ph_least=$PLACE; fi
		done
		[ "$ph_count" -gt "$SPEC_keep" ] || break
		if [ "$ph_least" = "$ph_oldest" ]; then drop_oldest "$ph_first"; else free_transaction "$ph_first"; fi || break
	done
	drop_older "$ph_oldest"
}

# The oldest of all runs can't lie between: once it is freed nobody asks which paths it spoke for.
drop_oldest() {
	read_place "$1" && note_freed "$PLACE_FLEET" "${1##*/}" && remove_records "$1"
}

# Removes whole records. What could be put back goes before the word that it is over: a supervisor that was frozen until
# now, and finds half of its record, must have nothing left to undo.
remove_records() {
	(
		for rv_dir do
			shift
			set -- "$@" "${rv_dir%/}/job"
		done
		exec rm -rf "$@"
	) && rm -rf "$@"
}

# What is older than all that one can go back to can't lie between: freed runs, and rollbacks.
drop_older() {
	do_least=$1
	set --
	for do_dir in "$STATE_DIR"/tx/*/; do
		read_held "${do_dir%/}" || continue
		if [ -n "$do_least" ] && [ "$PLACE" -gt "$do_least" ]; then continue; fi
		case $PLACE_KIND$HELD in *freed | rollback*) set -- "$@" "$do_dir" ;; esac
	done
	[ $# -eq 0 ] || remove_records "$@"
}

# Prints the paths that a change spoke for, sorted: what it touched, the directories it made on the way, and all that
# was below what it watches. Directories that it only wrote into are no part of it.
paths_of() {
	{
		[ ! -f "$1/touched" ] || { cat "$1/touched" && made_paths "$1"; }
		[ ! -s "$1/roots" ] || below_roots "$1/roots" <"$1/paths"
	} | LC_ALL=C sort -u
}

# The same, and what has come below what it watches.
all_paths_of() {
	if [ -f "$1/mine" ]; then
		cat "$1/mine"
		return
	fi
	{
		paths_of "$1"
		if [ -s "$1/roots" ] && [ -s "$1/after" ]; then
			listed_paths "$1/after" | below_roots "$1/roots"
		fi
	} | LC_ALL=C sort -u
}

# Prints those of a change's paths that weren't there before.
made_paths() {
	awk '
	FILENAME == ARGV[1] { there[substr($0, index($0, "/"))]; next }
	!($0 in there)' "$1/before" "$1/paths"
}

# Prints the paths on stdin that are one of these roots or lie below one.
below_roots() {
	awk '
	FILENAME == ARGV[1] { root[$0]; next }
	{
		path = $0
		while (path != "" && !(path in root)) sub("/[^/]*$", "", path)
	}
	path != ""' "$1" -
}
