# shellcheck shell=sh
# Saying things: marked lines to the controller, lines to the journal, reasons to the record.

# Writes a line as it is. mksh has no printf of its own, and a fork for each line would be dear.
if [ -n "${KSH_VERSION:-}" ]; then
	put() { print -r -- "$*"; }
else
	put() { printf '%s\n' "$*"; }
fi

# The only machine channel: one marked line. Values are words without blanks; free text comes last, after " -- ".
# The mark is random for each channel, so that nothing a login shell prints can be taken for ours.
tell() {
	put "@snapback:$NONCE $*"
}

# Text from anywhere as one bounded line: the reader's lines must not be breakable from here.
one_line() {
	printf %s "$1" | tr '\n\r' '  ' | cut -c 1-400
}

# The last line that is not blank of a file, bounded.
last_line() {
	ll_found=
	[ -s "$1" ] || return 0
	tail -c 2000 "$1" | {
		while IFS= read -r ll_line || [ -n "$ll_line" ]; do
			case $ll_line in *[![:space:]]*) ll_found=$ll_line ;; esac
		done
		one_line "$ll_found"
	}
}

# Refuses before anything is armed: says why in the controller's terms and leaves the host as it was.
refuse() {
	rf_reason=$1
	shift
	if is_taken_over; then
		rf_reason=taken_over
		set -- "this session was silent for so long that the host was taken over before anything was armed"
	fi
	discard_quietly
	tell "refused reason=$rf_reason -- $*"
	tell end
	exit 0
}

# Says that the agent itself failed. What state the host is in is read back by whoever asks next.
give_up() {
	drop_inbox
	tell "error -- $*"
	tell end
	exit 0
}

# What was sent is needed no longer.
drop_inbox() {
	[ -z "${INBOX:-}" ] || rm -rf "$INBOX"
}

# Appends a line to the transaction's journal. Whoever follows it looks every second.
journal_quietly() {
	put "$*" >>"$TX/journal"
}

# Appends a line to the transaction's journal and wakes whoever follows it.
journal() {
	put "$*" >>"$TX/journal"
	wake_followers
}
