# shellcheck shell=sh
# Putting a snapshot back: only what differs, in an order that survives being cut and repeated. Everything is done from
# within the directory it is done in: see `enter`.

# Puts change $1 back. What is still not as before stands in job/c/N/broken afterwards. What isn't mounted is left out,
# and broken unless $2 = mounted, which is for early at boot: the rest comes later.
restore_snapshot() {
	rs_dir=$JOB/c/$1
	[ -f "$rs_dir/before" ] || return 0
	true >"$rs_dir/broken"
	universe "$rs_dir" "$2" || return 1
	look_at_restored "$rs_dir" delta || return 1
	rs_compared=$COMPARED
	[ ! -f "$rs_dir/changed" ] || add_touched "$rs_dir" || return 1
	sweep_boxes
	# What differs, and could not be written down, can't be put back by that list.
	[ "$rs_compared" = same ] || [ -s "$rs_dir/delta" ] || return 1
	if ! [ -s "$rs_dir/delta" ]; then
		# A run that was cut may have left the times.
		[ ! -e "$rs_dir/restored" ] || restore_times "$rs_dir"
		[ ! -s "$rs_dir/broken" ]
		return
	fi
	# Handlers are due by this mark: what comes back without it would never be loaded.
	true >"$rs_dir/restored" && durable "$rs_dir/restored" "$rs_dir" || return 1
	lift_flags "$rs_dir"
	save_theirs "$rs_dir"
	remove_new "$rs_dir"
	remake_directories "$rs_dir"
	# What was seen through a link that has just gone must be looked at again.
	[ ! -f "$rs_dir/roots" ] || look_at_restored "$rs_dir" delta.more || return 1
	replace_files "$rs_dir"
	restore_times "$rs_dir"
	look_at_restored "$rs_dir" differs.still || return 1
	# A pass before this one may have run its handlers on what has only now come back.
	[ "$(cat "$rs_dir/delta")" = "$(cat "$rs_dir/differs.still")" ] || rm -f "$TX"/undone.????????????????
	cat "$rs_dir/differs.still" >>"$rs_dir/broken"
	[ "$COMPARED" = same ] && ! [ -s "$rs_dir/broken" ] || return 1
	# A link kept for this moment would leave the file with two names.
	[ "$rs_before" != "$rs_dir/before" ] || drop_links "$rs_dir"
	[ ! -f "$rs_dir/changed" ] || [ "$rs_before" != "$rs_dir/before" ] || note_changed "$rs_dir"
}

# Lists once more and writes what differs to a file; a file that could not be written whole proves nothing.
look_at_restored() {
	list_paths "$1/now" "$1/now.more" <"$1/universe" || return 1
	compare_listings "$1/universe" "$rs_before" "$1/now" >"$1/$2"
}

drop_links() {
	[ ! -s "$1/link.big" ] || while IFS= read -r dl_path; do
		real "$1/snap${dl_path#"$1/link"}"
		rm -f -- "$REAL"
	done <"$1/link.big"
	rm -rf "$1/link"
}

# A watched file whose attributes or ACL somebody changed, or that has lost or won a name, looks the same in a
# listing; its change time tells.
add_touched() {
	regular_times "$1/now.more" >"$1/changed.now" || return 1
	compare_listings "$1/universe" "$1/changed" "$1/changed.now" >"$1/changed.differ" || return 1
	while IFS= read -r at_line; do
		# What has come or gone is in the delta already.
		case $at_line in "differs "*) put "${at_line#* }" ;; esac
	done <"$1/changed.differ" >"$1/changed.paths"
	[ -s "$1/changed.paths" ] || return 0
	lines_of_paths "$1/changed.paths" "$rs_before" >"$1/changed.before" || return 1
	while IFS= read -r at_line; do put "differs $at_line"; done <"$1/changed.before" >"$1/changed.delta"
	# By path, parents first: directories are made anew in this order.
	LC_ALL=C sort -t / -k 2 -u "$1/delta" "$1/changed.delta" >"$1/delta.both" && mv -f "$1/delta.both" "$1/delta"
}

# Prints "CTIME/path" for the regular files of a list of inodes.
regular_times() {
	while IFS=/ read -r rt_meta rt_path; do
		case $rt_meta in *" 8"???) ;; *) continue ;; esac
		rt_meta=${rt_meta% *}
		put "${rt_meta##* }/$rt_path"
	done <"$1"
}

# All is as before but for the change times, which nobody can set: those of now count from here on.
note_changed() {
	list_paths "$1/now" "$1/now.more" <"$1/universe" && regular_times "$1/now.more" >"$1/changed.new" &&
		mv -f "$1/changed.new" "$1/changed"
}

# Children before parents; a directory that somebody filled since stays and is told.
remove_new() {
	LC_ALL=C sort -t / -k 2 -r "$1/delta" >"$1/delta.down"
	each_line kind_to_remove <"$1/delta.down" | remove_listed
}

kind_to_remove() {
	kr_path=/${1#*/}
	case $1 in
	missing*) ;;
	"new 4"*) put "d$kr_path" ;;
	new*) put "f$kr_path" ;;
	*)
		# A path that has become another type is in the way of what it was.
		real "$kr_path"
		case $1 in
		"differs 4"*) [ -d "$REAL" ] && ! [ -L "$REAL" ] || put "f$kr_path" ;;
		*) ! [ -d "$REAL" ] || [ -L "$REAL" ] || put "d$kr_path" ;;
		esac
		;;
	esac
}

remake_directories() {
	while IFS=/ read -r rd_meta rd_path; do
		case $rd_meta in "missing 4"* | "differs 4"*) ;; *) continue ;; esac
		# shellcheck disable=SC2086 # words, split on purpose
		set_directory "/$rd_path" $rd_meta
	done <"$1/delta"
}

# set_directory PATH WORD RAWMODE UID GID ...
set_directory() {
	enter_made "$1" || return 1
	[ "$UID_NOW" != 0 ] || chown "$4:$5" .
	chmod "$(octal_mode "$3")" .
	cd /
}

# Five digits: with fewer, GNU chmod leaves a directory's setgid bit as it is.
octal_mode() {
	printf '%05o' "$((0x$1 & 0xfff))"
}

# Prepares the old files beside the record, makes them durable, then renames them into place.
replace_files() {
	rf_undo=$1/undo.$$
	rm -rf "$1"/undo.*
	mkdir "$rf_undo" || return 1
	for rf_delta in "$1/delta" "$1/delta.more"; do
		[ ! -f "$rf_delta" ] || sed -e '/^missing 4/d' -e '/^differs 4/d' -e '/^new/d' -e 's,^[^/]*,,' "$rf_delta"
	done >"$1/replace.all"
	LC_ALL=C sort -u "$1/replace.all" >"$1/replace" || return 1
	[ -s "$1/replace" ] || return 0
	if ! prepare_files "$1"; then
		# No room for copies: half a copy must never get into place, and a rename of the snapshot itself needs none.
		rm -rf "$rf_undo"
		KEEP_LABELS=1
		place_files "$1/snap" <"$1/replace"
		KEEP_LABELS=
		return 0
	fi
	sync_all "$LIST_COUNT" "$rf_undo" || in_chunks sync_chunk "" "$rf_undo" <"$1/replace"
	# The copies carry the labels of then.
	KEEP_LABELS=1
	place_files "$rf_undo" <"$1/replace"
	KEEP_LABELS=
	[ ! -s "$1/link.big" ] || in_chunks keep_known_sums "" "" <"$1/replace"
	rm -rf "$rf_undo"
}

prepare_files() {
	true >"$1/replace.copy"
	add_twins "$1" || return 1
	true >"$1/replace.late"
	use_links "$1" || return 1
	split_links "$1"
	(cd "$1/snap" && in_chunks copy_chunk "$rf_undo" . <"$1/replace.files") || return 1
	# Symlinks last, as when the snapshot was taken.
	without_ways "$rf_undo" <"$1/replace.links" >"$1/replace.here"
	(cd "$1/snap" && in_chunks copy_chunk "$rf_undo" . <"$1/replace.here") || return 1
	while IFS= read -r pr_path; do
		real "$pr_path"
		[ -d "$rf_undo$REAL" ] || { mkdir -p "$rf_undo${REAL%/*}" && ln "$1/link$REAL" "$rf_undo$REAL"; } || return 1
	done <"$1/replace.late"
	join_twins "$1"
}

# Sorts what is to be copied by what its copy is; a directory there is a way to something else.
split_links() {
	sp_snap=$1/snap
	each_line split_link <"$1/replace.copy" >"$1/replace.files" 3>"$1/replace.links"
}

split_link() {
	real "$sp_snap$1"
	if [ -L "$REAL" ]; then
		put "$1" >&3
	elif ! [ -d "$REAL" ]; then
		put "$1"
	fi
}

# Goes through what is to be replaced: a link to the old inode, if nobody wrote into it, is better than a copy.
# What needs a copy goes to replace.copy.
use_links() {
	if ! [ -s "$1/linked" ] || ! [ -d "$1/link" ]; then
		cat "$1/replace" >"$1/replace.copy"
		return
	fi
	list_paths "$1/link.now" <"$1/link.paths" || return 1
	ul_before='' ul_link='' ul_due=''
	while IFS= read -r ul_path <&3; do
		[ -n "$ul_before" ] || IFS= read -r ul_before <&4 || ul_before=
		[ -n "$ul_link" ] || IFS= read -r ul_link <&5 || ul_link=
		[ -n "$ul_due" ] || IFS= read -r ul_due <&6 || ul_due=
		ul_was='' ul_is=''
		if [ -n "$ul_before" ] && [ "/${ul_before#*/}" = "$ul_path" ]; then
			ul_was=${ul_before%%/*}
			ul_before=
		fi
		if [ -n "$ul_link" ] && [ "/${ul_link#*"$1/link/"}" = "$ul_path" ]; then
			ul_is=${ul_link%%/*}
			ul_link=
		fi
		[ "$ul_due" = "$ul_path" ] || continue
		ul_due=
		use_link "$1" "$ul_path" "$ul_was" "$ul_is" || put "$ul_path"
	done 3<"$1/universe" 4<"$rs_before" 5<"$1/link.now" 6<"$1/replace" >"$1/replace.copy"
}

# use_link DIR PATH WAS IS: fails if the copy is to be used.
use_link() {
	[ -n "$4" ] || return 1
	real "$2"
	if [ "${3##* }" != "${4##* }" ]; then
		# Somebody wrote into the old file. Where it was too big to be copied, it is still the best there is.
		[ "$1/link$REAL" -ef "$1/snap$REAL" ] || return 1
	fi
	# shellcheck disable=SC2086 # words, split on purpose
	[ "$3" = "$4" ] || set_attributes "$1/link$REAL" $3
	# The same inode may be there still, and a rename onto itself would do nothing.
	[ "$1/link$REAL" -ef "$REAL" ] && ! [ -L "$1/link$REAL" ] && return 0
	case $4 in a???" "*)
		put "$2" >>"$1/replace.late"
		return 0
		;;
	esac
	[ -d "$rf_undo${REAL%/*}" ] || mkdir -p "$rf_undo${REAL%/*}"
	ln "$1/link$REAL" "$rf_undo$REAL"
}

# set_attributes FILE RAWMODE UID GID SIZE MTIME SUM: of a file that lies in our own directory.
set_attributes() {
	[ "$UID_NOW" != 0 ] || chown -h "$3:$4" "$1"
	case $2 in a???) return 0 ;; esac
	chmod "$(octal_mode "$2")" "$1"
	[ "$6" = - ] || touch -d "@$6" "$1"
}

# Names of one file are put back together or not at all.
add_twins() {
	at_twins=
	[ -f "$1/roots" ] && [ -s "$1/twins" ] || return 0
	LC_ALL=C sort "$1/twins" >"$1/twins.sorted"
	# All names of the inodes of which one name is due.
	awk '
	function path(line) { return substr(line, index(line, "/")) }
	function inode(line) { return substr(line, 1, index(line, "/") - 1) }
	FNR == 1 { file++ }
	file == 1 { due[$0]; next }
	file == 2 { if (path($0) in due) wanted[inode($0)]; next }
	inode($0) in wanted { print path($0) }
	' "$1/replace" "$1/twins.sorted" "$1/twins.sorted" >"$1/twins.due" || return 1
	[ -s "$1/twins.due" ] || return 0
	at_twins=1
	LC_ALL=C sort -u "$1/replace" "$1/twins.due" >"$1/replace.all" && mv -f "$1/replace.all" "$1/replace"
}

# In the prepared tree all names of one file are links to the first.
join_twins() {
	[ -n "$at_twins" ] || return 0
	jt_inode=
	while IFS=/ read -r jt_meta jt_path; do
		real "/$jt_path"
		[ -e "$rf_undo$REAL" ] || [ -L "$rf_undo$REAL" ] || continue
		if [ "$jt_meta" = "$jt_inode" ]; then
			ln -f "$jt_first" "$rf_undo$REAL" || return 1
		else
			jt_inode=$jt_meta jt_first=$rf_undo$REAL
		fi
	done <"$1/twins.sorted"
}

# Owners and modes are right by now; what else a directory has is in the archive. Where its change time is still the
# old one, nobody touched it. Each is done from within: a tar that is led elsewhere would set owner and mode there.
restore_attributes() {
	[ -f "$1/dirs.tar" ] || return 0
	list_inodes "$1/dirs.now" <"$1/paths" || return 0
	compare_listings "$1/paths" "$1/before.more" "$1/dirs.now" >"$1/dirs.differ" || return 0
	rm -rf "$1/empty" && mkdir "$1/empty" || return 0
	while IFS=/ read -r ra_meta ra_path; do
		case $ra_meta in "differs "*" 4"???) ;; *) continue ;; esac
		[ -n "$ra_path" ] && enter "/$ra_path" || continue
		real "./$ra_path"
		# An ACL that the directory got, or inherited, goes only with another one.
		cp -aT --attributes-only -- "$1/empty" . 2>/dev/null
		attribute_tar --transform 's,.*,.,' -xpf "$1/dirs.tar" -- "$REAL"
		cd /
	done <"$1/dirs.differ"
	rmdir "$1/empty"
}

# Directories get their times back last, when nothing is renamed in them any more.
restore_times() {
	restore_attributes "$1"
	while IFS=/ read -r rt_time rt_path; do put "/$rt_path"; done <"$1/dirs" >"$1/touched"
	list_inodes "$1/times.now" <"$1/touched"
	while IFS=/ read -r rt_meta rt_path; do
		# shellcheck disable=SC2086 # words, split on purpose
		set -- "$1" $rt_meta
		case $7 in 4???) put "$5/$rt_path" ;; esac
	done <"$1/times.now" >"$1/times.dirs"
	compare_listings "$1/touched" "$1/dirs" "$1/times.dirs" >"$1/times.differ"
	while IFS=/ read -r rt_time rt_path; do
		case $rt_time in differs*) ;; *) continue ;; esac
		enter "/$rt_path" || continue
		touch -d "@${rt_time#* }" .
		cd /
	done <"$1/times.differ"
	in_chunks sync_chunk "" "" <"$1/touched"
	put_flags_back "$1"
}
