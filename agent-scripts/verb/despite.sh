# shellcheck shell=sh
# Required checks that are red where a person decides (spec: red_waits): they veto, unless the confirmation names them.
#
# red.N is one of the target's own checks, red.lN one of the controller's: its name, then why.

# Sets RED_NAME and RED_WHY from a file; fails when it is torn.
read_red() {
	RED_NAME='' RED_WHY='' rr_end=''
	{
		IFS= read -r RED_NAME && IFS= read -r RED_WHY && IFS= read -r rr_end
	} 2>/dev/null <"$1"
	[ "$rr_end" = end ]
}

# note_red N NAME WHY
note_red() {
	note "red.$1" "$2
$(one_line "$3")"
}

# A required check of the target is red: a person may still keep the change, or it is undone.
veto() {
	if [ "$SPEC_red_waits" = 1 ] && note_red "$wc_n" "$CHECK_NAME" "$WC_ANSWER: $WC_DETAIL"; then
		true >"$wc_dir/judged"
		return 0
	fi
	fail "check '$CHECK_NAME' $WC_ANSWER: $WC_DETAIL"
}

# Tells what is red, for whoever asks what is open.
tell_red() {
	for tr_file in "$TX"/red.*; do
		[ -f "$tr_file" ] || continue
		read_red "$tr_file" || RED_NAME=$tr_file RED_WHY="can't be read"
		tell "pending_item ok=0 -- check '$RED_NAME' $RED_WHY; it vetoes, unless confirmed --despite it"
	done
}

# read_despite COUNT: so many names, each a line of standard input, into DESPITE.
read_despite() {
	DESPITE=
	check_count "$1"
	rde_left=$1
	while [ "$rde_left" -gt 0 ] && IFS= read -r rde_name; do
		DESPITE=$DESPITE$NL$rde_name
		rde_left=$((rde_left - 1))
	done
	[ "$rde_left" -le 0 ] || give_up "the names of the checks did not arrive whole"
}

check_count() {
	case $1 in '' | *[!0-9]* | ????*) give_up "'$1' is no number of checks" ;; esac
}

# is_named NAME LINES: whether it is one of them; each has a newline before it.
is_named() {
	case $2$NL in *"$NL$1$NL"*) return 0 ;; esac
	return 1
}

# Whether what is red is what was named, all of it and nothing else; says no otherwise. Sets RED_TOLD to a line for each.
weigh_red() {
	RED_TOLD=''
	wr_red='' wr_left=''
	for wr_file in "$TX"/red.*; do
		[ -f "$wr_file" ] || continue
		if ! read_red "$wr_file"; then
			deny red_checks "what is known of a red check can't be read ($wr_file)"
			return 1
		fi
		wr_red=$wr_red$NL$RED_NAME
		RED_TOLD="$RED_TOLD$NL$RED_NAME: $RED_WHY"
		is_named "$RED_NAME" "$DESPITE" || wr_left="$wr_left; $RED_NAME ($RED_WHY)"
	done
	if [ -n "$wr_left" ]; then
		deny red_checks "required checks are red: ${wr_left#; }. To keep the change all the same, name each: --despite NAME"
		return 1
	fi
	weigh_names
}

# What is named and isn't red was a mistake, or is green by now: somebody decides about something else than they think.
weigh_names() {
	split_on_lines
	# shellcheck disable=SC2086 # lines, split on purpose
	set -- $DESPITE
	split_on_words
	for wn_name do
		is_named "$wn_name" "$wr_red" && continue
		wn_red=$(one_line "${wr_red#?}")
		deny not_red "'$wn_name' is no required check that is red here; red: ${wn_red:-none}"
		return 1
	done
}

# veto ID COUNT: checks that the controller has found red, a name and a reason each, behind the token on standard input.
verb_veto() {
	open_by_token "$1" || return 0
	check_count "$2"
	read_state
	case $STATE in
	armed | applying | applied | ready) ;;
	*) deny too_late "the host is $STATE" && return ;;
	esac
	vv_n=0
	while [ "$vv_n" -lt "$2" ]; do
		{ IFS= read -r vv_name && IFS= read -r vv_why; } || give_up "the names of the checks did not arrive whole"
		note_red "l$vv_n" "$vv_name" "$vv_why" || {
			deny no_space "the veto could not be written"
			return
		}
		vv_n=$((vv_n + 1))
	done
	tell vetoed
	tell end
}
