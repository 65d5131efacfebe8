# shellcheck shell=sh
# Telling what this host holds of runs that were confirmed, and freeing one.

verb_history() {
	contact
	VH_UNDONE=$(list_undone)
	for vh_dir in "$STATE_DIR"/tx/*/; do
		vh_dir=${vh_dir%/}
		! read_held "$vh_dir" || (tell_held "$vh_dir")
	done
	tell end
}

tell_held() {
	open_tx "${1##*/}" || return 0
	th_paths=0 th_undone=0
	for th_change in "$JOB"/c/*/; do
		for th_list in "$th_change"touched "$th_change"mine; do
			[ -f "$th_list" ] || continue
			while IFS= read -r _; do th_paths=$((th_paths + 1)); done <"$th_list"
		done
	done
	case $NL$VH_UNDONE$NL in *"$NL$ID$NL"*) th_undone=1 ;; esac
	th_at=$(stat -c %Y "$TX/done")
	tell "held tx=$ID place=$PLACE fleet=$PLACE_FLEET kind=$PLACE_KIND state=$HELD undone=$th_undone at=$th_at paths=$th_paths changes=$SPEC_changes owner=$SPEC_owner -- $SPEC_comment"
}

# free RUN: gives back the room that a run takes. The newest is what one can go back to, and stays.
verb_free() {
	contact
	if read_current; then
		tell_pending
		refuse locked "a transaction is open on this host, and may need what is kept"
	fi
	vf_newest='' vf_found=
	list_history >"$STATE_DIR/history.$$"
	while read -r vf_place vf_fleet vf_kind vf_held vf_id; do
		[ "$vf_held" != freed ] || continue
		[ "$vf_id" != "$1" ] || { vf_found=1; break; }
		[ "$vf_kind" != run ] || vf_newest=$vf_id
	done <"$STATE_DIR/history.$$"
	rm -f "$STATE_DIR/history.$$"
	if [ -z "$vf_found" ]; then
		tell "untouched -- this host holds nothing of run $1"
	elif [ -z "$vf_newest" ] && [ "$vf_kind" = run ]; then
		tell "denied reason=last -- run $1 is the last that was confirmed here, and the state before it is never given up; deploy forget gives up all"
	else
		free_transaction "$STATE_DIR/tx/$1" && free_older
		tell "freed tx=$1"
	fi
	tell end
}

free_older() {
	fo_oldest=
	for fo_dir in "$STATE_DIR"/tx/*/; do
		read_held "${fo_dir%/}" && [ "$HELD" != freed ] && [ "$PLACE_KIND" = run ] || continue
		[ -n "$fo_oldest" ] && [ "$PLACE" -gt "$fo_oldest" ] || fo_oldest=$PLACE
	done
	drop_older "$fo_oldest"
}
