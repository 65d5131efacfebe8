# shellcheck shell=sh
# The seal: sums of what an undo goes by, taken when the guard is armed. Where the record is not what it was then, an
# undo could miss something and take that for done; so it does what it can and says that it isn't whole.

# Writes the seal.
seal_record() {
	set --
	for sr_file in "$JOB/spec" "$JOB"/h/* "$JOB"/c/*/spec "$JOB"/c/*/cmd.* "$JOB"/c/*/facts "$JOB"/c/*/paths "$JOB"/c/*/before \
		"$JOB"/c/*/roots "$JOB"/c/*/dirs "$JOB"/c/*/mounts "$JOB"/c/*/twins "$JOB"/c/*/linked "$JOB"/c/*/handlers; do
		[ ! -f "$sr_file" ] || set -- "$@" "$sr_file"
	done
	sha256sum -- "$@" >"$TX/seal"
}

# Tells each file that is no longer what was sealed, as an item that is broken.
check_seal() {
	[ -s "$TX/seal" ] || {
		item_broken "the record: its seal is gone, so what else is missing can't be known"
		return 1
	}
	cs_said=$(sha256sum -c -- "$TX/seal" 2>/dev/null) && return 0
	split_on_lines
	for cs_line in $cs_said; do
		split_on_words
		case $cs_line in
		*": OK") ;;
		*) cs_file=${cs_line%:*} && item_broken "the record: ${cs_file#"$TX/"} is not what it was when the guard was armed" ;;
		esac
	done
	split_on_words
	return 1
}

# A change's mark that is gone, or is no file any more, is made again from the journal: what was begun must be undone.
mend_started() {
	ms_n=0
	while [ "$ms_n" -lt "$SPEC_changes" ]; do
		if ! [ -f "$TX/started.$ms_n" ] || [ -L "$TX/started.$ms_n" ]; then
			! grep -q "^change_started n=$ms_n " "$TX/journal" 2>/dev/null || note "started.$ms_n"
		fi
		ms_n=$((ms_n + 1))
	done
}
