# shellcheck shell=sh
# What somebody else wrote between our change and its undo: kept aside and told.

# Notes what all changes have made of their paths, once all is applied: what is something else later is somebody else's.
note_after() {
	na_n=0
	while [ "$na_n" -lt "$SPEC_changes" ]; do
		na_dir=$JOB/c/$na_n
		na_n=$((na_n + 1))
		[ -f "$na_dir/before" ] || continue
		na_paths=$na_dir/paths
		if [ -f "$na_dir/roots" ]; then
			na_paths=$na_dir/universe
			universe "$na_dir" all || continue
		fi
		# The mark says that the list is whole.
		list_inodes "$na_dir/after" <"$na_paths" && put end >"$na_dir/after.end"
	done
}

# Copies theirs aside, of what the undo is about to change.
save_theirs() {
	true >"$1/theirs.list"
	! [ -s "$1/after.end" ] || find_later "$1" >"$1/theirs.list"
	! [ -f "$1/manifest" ] || find_foreign "$1" >>"$1/theirs.list"
	[ -s "$1/theirs.list" ] || return 0
	LC_ALL=C sort -u "$1/theirs.list" >"$1/theirs.sorted"
	# A folder for each time: a symlink that is in it already could lead a second copy elsewhere.
	st_dir=$TX/theirs st_n=1
	while ! mkdir "$st_dir" 2>/dev/null && [ "$st_n" -lt 100 ]; do
		st_n=$((st_n + 1))
		st_dir=$TX/theirs.$st_n
	done
	while IFS= read -r st_path; do
		real "$st_path"
		if [ -L "$REAL" ]; then put "$st_path" >&3; else put "$st_path"; fi
	done <"$1/theirs.sorted" >"$1/theirs.files" 3>"$1/theirs.links"
	in_chunks copy_chunk "$st_dir" . <"$1/theirs.files"
	without_ways "$st_dir" <"$1/theirs.links" >"$1/theirs.here"
	in_chunks copy_chunk "$st_dir" . <"$1/theirs.here"
	while IFS= read -r st_path; do
		shown "$st_path"
		journal "warning -- $SHOWN was changed by somebody else since; that version is kept in $st_dir$SHOWN"
	done <"$1/theirs.sorted"
}

# Prints the paths of what isn't as it was when all was applied. What is gone is told at once: there is nothing to keep.
find_later() {
	compare_listings "$1/universe" "$1/after" "$1/now.more" >"$1/later"
	[ "$COMPARED" = differs ] || return 0
	fl_later='' fl_delta=''
	while IFS= read -r fl_path <&3; do
		[ -n "$fl_later" ] || IFS= read -r fl_later <&4 || fl_later=
		[ -n "$fl_delta" ] || IFS= read -r fl_delta <&5 || fl_delta=
		fl_what='' fl_due=''
		if [ "/${fl_later#*/}" = "$fl_path" ]; then
			fl_what=${fl_later%%/*}
			fl_later=
		fi
		if [ "/${fl_delta#*/}" = "$fl_path" ]; then
			fl_due=1
			fl_delta=
		fi
		[ -n "$fl_what" ] && [ -n "$fl_due" ] || continue
		case $fl_what in
		missing*" 8"??? | missing*" a"???)
			shown "$fl_path"
			journal "warning -- $SHOWN was removed by somebody else since; it is put back as it was before"
			;;
		*" 8"??? | *" a"???)
			real "$fl_path"
			if [ -f "$REAL" ] || [ -L "$REAL" ]; then put "$fl_path"; fi
			;;
		esac
	done 3<"$1/universe" 4<"$1/later" 5<"$1/delta"
}

# Prints the paths of files that are neither what they were nor what the manifest made of them: also where apply did
# not come to its end.
find_foreign() {
	list_sums "$1/now" >"$1/sums.now"
	[ -s "$1/sums.now" ] || return 0
	list_sums "$1/manifest" >"$1/sums.known"
	list_sums "$1/before" >>"$1/sums.known"
	lines_without "$1/sums.known" <"$1/sums.now" | sed 's,^[^/]*,,'
}

# Prints "SUM/path" for the regular files of a listing or a manifest: both have the sum last.
list_sums() {
	sed -n -e 's,^8... [^/]* \([^ /]*\)/,\1/,p' -e t -e 's,^[^/]* f [^/]* \([^ /]*\)/,\1/,p' "$1"
}
