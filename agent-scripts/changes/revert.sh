# shellcheck shell=sh
# The kind "revert": back to before a run that was confirmed. It carries no content: what is put back is held here.
#
# Of all that is in the range, each path gets the oldest state; scripts are undone newest first; then the handlers.
# In job/c/N: `to` (the run), `alone` (there, if no later run may be undone with it), `sources` ("AGE ID CHANGE", the oldest has the least), `goal` ("AGE META/path", "none": nothing
# shall be there), `scripts` (those whose rollback is due), `runs` (what is undone), and `back`, a snapshot of the goal.

revert_inspect() {
	ri_dir=$JOB/c/$1
	read_change "$1"
	IFS= read -r ri_to <"$ri_dir/to" || return 1
	for ri_file in runs differ delete scripts handlers roots.all delta; do true >"$ri_dir/$ri_file"; done
	choose_runs "$ri_to" "$ri_dir" || return 1
	put 1 >"$ri_dir/wanted"
	report "revert n=$1 to=$ri_to"
	if [ -e "$ri_dir/alone" ]; then is_alone "$ri_to" "$ri_dir/history" || return 1; fi
	[ -s "$ri_dir/range" ] || return 0
	LC_ALL=C sort -r "$ri_dir/range" >"$ri_dir/runs"
	list_sources "$ri_dir" || return 1
	find_goal "$ri_dir" && find_delta "$ri_dir" || return 1
	refuse_strangers "$ri_dir" || return 1
	tell_delta "$1" "$ri_dir" && find_scripts "$1" "$ri_dir" && find_handlers "$1" "$ri_dir" || return 1
	if [ -s "$ri_dir/delta" ] || [ -s "$ri_dir/scripts" ]; then put 0 >"$ri_dir/wanted"; fi
	check_writable "$1"
}

# All changes of the range, the newest first: AGE has five digits, and less for what is older.
list_sources() {
	ls_age=99999
	while IFS= read -r ls_id; do
		ls_n=0
		while read -r ls_key ls_value; do [ "$ls_key" != changes ] || ls_n=$ls_value; done <"$STATE_DIR/tx/$ls_id/job/spec"
		# What was done last in a run is undone first.
		while [ "$ls_n" -gt 0 ]; do
			ls_n=$((ls_n - 1))
			ls_change=$STATE_DIR/tx/$ls_id/job/c/$ls_n
			[ -e "$STATE_DIR/tx/$ls_id/started.$ls_n" ] || continue
			put "$ls_age $ls_id $ls_n"
			ls_age=$((ls_age - 1))
			if [ -s "$ls_change/mounts" ] && missing_mounts "$ls_change"; then
				WHY="what run $ls_id changed lies on a file system that isn't mounted now: ${MISSING%%"$NL"*}"
				return 1
			fi
		done
	done <"$1/range" >"$1/sources"
}

# Writes goal: what each path of the range was at its oldest. Also `known`: what our newest run made of it.
find_goal() {
	while read -r fg_age fg_id fg_n; do
		fg_change=$STATE_DIR/tx/$fg_id/job/c/$fg_n
		[ -f "$fg_change/before" ] || continue
		paths_of "$fg_change" >"$1/mine"
		aged_lines "$fg_age" "$fg_change/before" "$1/mine" >&3 || return 1
		[ ! -s "$fg_change/after.end" ] ||
			known_lines "$((109999 - fg_age))" "$fg_change/after" "$1/mine" >&4 || return 1
		[ ! -s "$fg_change/roots" ] || cat "$fg_change/roots" >>"$1/roots.all"
	done <"$1/sources" 3>"$1/goal.all" 4>"$1/known.all"
	LC_ALL=C sort -u -o "$1/roots.all" "$1/roots.all"
	first_of_path <"$1/goal.all" >"$1/goal" && first_of_path <"$1/known.all" >"$1/known"
}

# aged_lines AGE BEFORE MINE: "AGE META/path" for each of its own paths, with "none" for what wasn't there.
aged_lines() {
	awk '
	BEGIN { age = ARGV[1]; ARGV[1] = "" }
	FILENAME == ARGV[2] { at = index($0, "/"); meta[substr($0, at)] = substr($0, 1, at - 1); next }
	{ print age " " ($0 in meta ? meta[$0] : "none") $0 }' "$@"
}

# known_lines AGE AFTER MINE: "AGE SIZE,MTIME,MODE/path" as it was when the run had been applied; "~" for what it had
# made go, which sorts behind anything.
known_lines() {
	awk "$LOOKS"'
	BEGIN { age = ARGV[1]; ARGV[1] = "" }
	FILENAME == ARGV[2] { at = index($0, "/"); print age " " looks(substr($0, 1, at - 1)) substr($0, at); next }
	{ print age " ~" $0 }' "$@"
}

# How a line of list_inodes looks. Anybody may touch a directory.
LOOKS='
	function looks(meta, word) {
		split(meta, word, " ")
		return (word[6] ~ /^4...$/ ? "-,-" : word[3] "," word[4]) "," word[6]
	}'

# Sorts lines "AGE .../path" by path and prints the first of each.
first_of_path() {
	LC_ALL=C sort -t / -k 2 -k 1,1 |
		awk '{ path = substr($0, index($0, "/")) } path != last { print; last = path }'
}

# Writes delta: what isn't as the goal says; and `now`, `now.more` of all paths that are looked at.
find_delta() {
	no_broken_names "$1/roots.all" || return 1
	true >"$1/goal.gone"
	awk '
	BEGIN { gone = ARGV[2]; ARGC = 2 }
	{ at = index($0, "/"); meta = substr($0, 1, at - 1); path = substr($0, at) }
	meta ~ / none$/ { print path > gone; next }
	{ print substr(meta, index(meta, " ") + 1) path }' "$1/goal" "$1/goal.gone" >"$1/goal.there" || return 1
	{
		listed_paths "$1/goal"
		listed_paths "$1/known"
		while IFS= read -r fd_path; do walk_trees "$fd_path"; done <"$1/roots.all"
		walk_gone "$1/goal.gone"
	} | LC_ALL=C sort -u >"$1/universe"
	list_paths "$1/now" "$1/now.more" <"$1/universe" &&
		compare_listings "$1/universe" "$1/goal.there" "$1/now" >"$1/delta.all" || return 1
	without_others "$1/roots.all" "$1/goal.gone" "$1/delta.all" >"$1/delta"
}

# What has come in directories that go again.
walk_gone() {
	wg_last=-
	each_line walk_one_gone <"$1"
}

walk_one_gone() {
	real "$1"
	case $REAL in "$wg_last"/*) return 0 ;; esac
	[ -d "$REAL" ] && ! [ -L "$REAL" ] || return 0
	wg_last=$REAL
	walk_trees "$REAL"
}

# without_others ROOTS GONE DELTA: leaves out what is new and not ours: a path that is known only because a run made it,
# somewhere that this range doesn't speak for. Ours is what lies below what is watched, or goes itself.
without_others() {
	awk '
	function is_ours(path) {
		while (path != "" && !(path in ours)) sub("/[^/]*$", "", path)
		return path != ""
	}
	FILENAME != ARGV[3] { ours[$0]; next }
	!/^new/ || is_ours(substr($0, index($0, "/")))' "$@"
}

# Another fleet's run since, on a path that would be put back: that would be undone as well.
refuse_strangers() {
	[ -s "$1/between" ] && [ -s "$1/delta" ] || return 0
	listed_paths "$1/delta" >"$1/delta.paths"
	while read -r rs_id rs_fleet; do
		for rs_change in "$STATE_DIR/tx/$rs_id"/job/c/*/; do
			[ -d "$rs_change" ] || continue
			rs_path=$(all_paths_of "${rs_change%/}" | first_shared "$1/delta.paths") || continue
			shown "$rs_path"
			WHY="$SHOWN was changed since by run $rs_id of the fleet '$rs_fleet': going back would undo that as well, so roll that one back first, or deploy what you want"
			return 1
		done
	done <"$1/between"
}

# Prints the first line on stdin that LIST has; fails where there is none.
first_shared() {
	awk '
	FILENAME == ARGV[1] { known[$0]; next }
	$0 in known && !found { print; found = 1 }
	END { exit !found }' "$1" -
}

# Tells each path, and whether it is no longer what the newest run made of it: then somebody else changed it. Where
# nobody knows what the run made of it, nobody is blamed.
tell_delta() {
	ROWS=$(awk "$LOOKS"'
	{ at = index($0, "/"); meta = substr($0, 1, at - 1); path = substr($0, at) }
	FILENAME == ARGV[1] { due[path] = meta; order[++n] = path; next }
	!(path in due) { next }
	FILENAME == ARGV[2] { was[path] = substr(meta, index(meta, " ") + 1); next }
	{ is[path] = looks(meta) }
	END {
		for (i = 1; i <= n; i++) {
			path = order[i]
			now = path in is ? is[path] : "~"
			blame = path in was ? was[path] != now : due[path] ~ /^new/ && now != "~"
			print blame " " now " " due[path] path
		}
	}' "$2/delta" "$2/known" "$2/now.more") || return 1
	split_on_lines
	for td_row in $ROWS; do
		split_on_words
		# shellcheck disable=SC2086 # words, split on purpose
		tell_path "$1" "/${td_row#*/}" ${td_row%%/*}
	done 3>"$2/delete" 4>"$2/differ"
	split_on_words
}

# tell_path N PATH CONFLICT NOW WORD MODE UID GID SIZE MTIME SUM
tell_path() {
	tp_n=$1 tp_path=$2 tp_conflict=$3 tp_now=$4
	shift 4
	if [ "$1" = new ]; then
		tp_what=remove
		put "$tp_path" >&3
	else
		tp_what=put
		put "$*$tp_path" >&4
	fi
	case $5 in ????*) REPLACED_KIB=$((REPLACED_KIB + 2 * ${5%???})) ;; esac
	REPLACED_KIB=$((REPLACED_KIB + 2)) REPLACED_COUNT=$((REPLACED_COUNT + 2))
	shown "$tp_path"
	report "revert_path n=$tp_n what=$tp_what conflict=$tp_conflict was=$2,$3,$4,$7 now=$tp_now -- $SHOWN"
}

# Scripts of runs that no rollback has undone yet.
find_scripts() {
	fs_undone=$NL$(list_undone)$NL
	while read -r fs_age fs_id fs_n; do
		fs_change=$STATE_DIR/tx/$fs_id/job/c/$fs_n
		case $fs_undone in *"$NL$fs_id$NL"*) continue ;; esac
		read_spec_of "$fs_change/spec"
		[ "$OF_KIND" = script ] || continue
		if has_command "$fs_change/cmd.rollback"; then
			put "$fs_age $fs_id $fs_n" >>"$2/scripts"
			report "revert_script n=$1 due=1 -- $OF_NAME"
		elif ! [ -s "$fs_change/roots" ]; then
			report "revert_script n=$1 due=0 -- $OF_NAME"
		fi
	done <"$2/sources"
}

# Sets OF_KIND and OF_NAME of a change of another transaction.
read_spec_of() {
	OF_KIND='' OF_NAME=''
	while read -r rs_key rs_value; do
		case $rs_key in
		kind) OF_KIND=$rs_value ;;
		name) OF_NAME=$rs_value ;;
		esac
	done <"$1"
}

# The handlers of those changes whose paths are put back, once each.
find_handlers() {
	[ -s "$2/delta" ] || return 0
	listed_paths "$2/delta" >"$2/delta.paths"
	true >"$2/handlers.from"
	fh_seen=$NL
	while read -r fh_age fh_id fh_n; do
		fh_change=$STATE_DIR/tx/$fh_id/job/c/$fh_n
		[ -s "$fh_change/handlers" ] || continue
		paths_of "$fh_change" | first_shared "$2/delta.paths" >"$2/shared" || continue
		while IFS= read -r fh_name; do
			case $fh_seen in *"$NL$fh_name$NL"*) continue ;; esac
			fh_seen=$fh_seen$fh_name$NL
			put "$fh_name" >>"$2/handlers"
			put "$fh_name $fh_id" >>"$2/handlers.from"
			fh_title=$fh_name
			[ ! -f "$STATE_DIR/tx/$fh_id/job/h/$fh_name.title" ] || IFS= read -r fh_title <"$STATE_DIR/tx/$fh_id/job/h/$fh_name.title"
			report "revert_handler n=$1 -- $fh_title"
		done <"$fh_change/handlers"
	done <"$2/sources"
}

# Takes the snapshot of the present, and makes what is put back whole and ours: the record it comes from may go.
revert_snapshot() {
	rs_dir=$JOB/c/$1
	listed_paths "$rs_dir/delta" >"$rs_dir/touched"
	{
		with_folders "$rs_dir/touched"
		[ ! -s "$rs_dir/scripts" ] || while IFS= read -r rv_path; do walk_trees "$rv_path"; done <"$rs_dir/roots.all"
	} | LC_ALL=C sort -u >"$rs_dir/paths"
	# A script's rollback may do anything to what its change watched.
	if [ -s "$rs_dir/scripts" ] && [ -s "$rs_dir/roots.all" ]; then cat "$rs_dir/roots.all" >"$rs_dir/roots"; fi
	take_snapshot "$1" && make_back "$rs_dir" && bring_scripts "$rs_dir" && bring_handlers "$rs_dir"
}

make_back() {
	mb_back=$1/back
	rm -rf "$mb_back" && mkdir -p "$mb_back/snap" || return 1
	cat "$1/spec" >"$mb_back/spec"
	cat "$1/touched" >"$mb_back/paths"
	sed -e '/^new/d' -e 's/^[a-z]* //' "$1/delta" >"$mb_back/before"
	where_from "$1/goal" "$mb_back/before" >"$mb_back/due" || return 1
	while read -r mb_age mb_id mb_n; do
		mb_from=$STATE_DIR/tx/$mb_id/job/c/$mb_n
		copy_due "$mb_age" file || return 1
		due_from "$mb_age" folder
		[ ! -s "$mb_back/from" ] || lines_of_paths "$mb_back/from" "$mb_from/dirs" >&3
	done <"$1/sources" 3>"$mb_back/dirs.all"
	# Symlinks last, so that none leads a copy out of our tree.
	while read -r mb_age mb_id mb_n; do
		mb_from=$STATE_DIR/tx/$mb_id/job/c/$mb_n
		copy_due "$mb_age" link || return 1
	done <"$1/sources"
	LC_ALL=C sort -t / -k 2 "$mb_back/dirs.all" >"$mb_back/dirs"
	note_mounts "$mb_back"
}

# where_from GOAL BEFORE: "AGE KIND/path" for what is put back: which source has it, and what it is.
where_from() {
	awk '
	{ at = index($0, "/"); path = substr($0, at) }
	FILENAME == ARGV[1] { age[path] = substr($0, 1, index($0, " ") - 1); next }
	!(path in age) { exit 1 }
	{ print age[path] " " (/^4... / ? "folder" : /^a... / ? "link" : "file") path }' "$1" "$2"
}

# due_from AGE KIND: writes `from`, the paths that come from one source.
due_from() {
	sed -n "s,^$1 $2/,/,p" "$mb_back/due" >"$mb_back/from"
}

copy_due() {
	due_from "$1" "$2" || return 1
	[ ! -s "$mb_back/from" ] || (cd "$mb_from/snap" && in_chunks copy_chunk "$mb_back/snap" . <"$mb_back/from")
}

# Each script comes with its values, as a job of its own.
bring_scripts() {
	while read -r bs_age bs_id bs_n; do
		bs_from=$STATE_DIR/tx/$bs_id/job bs_to=$1/script/$bs_age
		mkdir -p "$bs_to/c/$bs_n" && cp "$bs_from/spec" "$bs_from/vars" "$bs_to/" || return 1
		for bs_file in "$bs_from/c/$bs_n"/spec "$bs_from/c/$bs_n"/cmd.* "$bs_from/c/$bs_n"/facts; do
			[ ! -f "$bs_file" ] || cp -p "$bs_file" "$bs_to/c/$bs_n/" || return 1
		done
		# A step's output is there for its run's other steps too.
		for bs_file in "$bs_from"/c/*/output; do
			[ -s "$bs_file" ] || continue
			bs_step=${bs_file%/output}
			mkdir -p "$bs_to/c/${bs_step##*/}" && cp "$bs_file" "$bs_to/c/${bs_step##*/}/" || return 1
		done
	done <"$1/scripts"
}

bring_handlers() {
	[ -s "$1/handlers.from" ] || return 0
	mkdir -p "$JOB/h" || return 1
	while read -r bh_name bh_id; do
		cp -p "$STATE_DIR/tx/$bh_id/job/h/$bh_name".* "$JOB/h/" || return 1
	done <"$1/handlers.from"
}

revert_apply() {
	ra_dir=$JOB/c/$1
	list_meta "$ra_dir" && put_back "$1" || return 1
	[ -s "$ra_dir/scripts" ] || return 0
	while read -r ra_age ra_id ra_n <&9; do
		# Written first: its undo goes by it.
		true >"$ra_dir/script/$ra_age/tried" && durable "$ra_dir/script/$ra_age/tried" "$ra_dir/script/$ra_age" || return 1
		run_theirs "$1" rollback 9<&- || return 1
	done 9<"$ra_dir/scripts"
	put_back "$1"
}

# Puts the goal in place, durable.
put_back() {
	WHY=
	read_change "$1"
	if ! restore_bounded "$1/back" all; then
		if [ -s "$JOB/c/$1/back/broken" ]; then
			IFS=/ read -r pb_meta pb_path <"$JOB/c/$1/back/broken"
			WHY="/$pb_path could not be put back (${pb_meta%% *})"
		fi
		return 1
	fi
	read_change "$1"
	sync_named "$JOB/c/$1"
}

# run_theirs N WHAT: runs the rollback, unless or apply of the script ra_age ra_id ra_n, with the values it had then.
run_theirs() {
	rt_job=$JOB rt_run=$SPEC_run
	JOB=$rt_job/c/$1/script/$ra_age SPEC_run=$ra_id
	read_change "$ra_n"
	rt_name=$CHANGE_NAME rt_out=$JOB/$2.out
	run_step "$ra_n" "$JOB/c/$ra_n/cmd.$2" "$CHANGE_TIMEOUT" "$rt_out"
	rt_code=$?
	[ "$2" = unless ] || journal_output "$rt_name.$2" "$rt_out"
	[ "$rt_code" = 0 ] || WHY="$rt_name: $2: $(step_reason "$rt_code" "$CHANGE_TIMEOUT" "$rt_out")"
	JOB=$rt_job SPEC_run=$rt_run
	read_change "$1"
	return "$rt_code"
}

# The present again: its files, and the scripts that were undone are applied once more, the oldest first.
revert_undo() {
	restore_bounded "$1" "$2"
	ru_code=$?
	[ "$2" != mounted ] || return "$ru_code"
	ru_dir=$JOB/c/$1 ru_any=
	[ -s "$ru_dir/scripts" ] || return "$ru_code"
	LC_ALL=C sort "$ru_dir/scripts" >"$ru_dir/scripts.up"
	while read -r ra_age ra_id ra_n <&9; do
		[ -e "$ru_dir/script/$ra_age/tried" ] || continue
		ru_any=1
		[ ! -e "$TX/undone.$1.$ra_age" ] || continue
		apply_again "$1" 9<&- || return 1
		true >"$TX/undone.$1.$ra_age"
	done 9<"$ru_dir/scripts.up"
	[ -n "$ru_any" ] || return "$ru_code"
	restore_bounded "$1" all
}

apply_again() {
	if has_command "$JOB/c/$1/script/$ra_age/c/$ra_n/cmd.unless" && run_theirs "$1" unless; then return 0; fi
	WHY=
	run_theirs "$1" apply
}
