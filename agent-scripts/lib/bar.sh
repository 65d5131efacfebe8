# shellcheck shell=sh
# Barring: an id that this host was asked about and didn't know can't begin here any more. Its controller was told
# that nothing was touched, and a `begin` that was held up on the way must not make that untrue.
#
# The bar is a file in the place where the record's folder would be. It is made exclusively, and no folder can be
# renamed over a file; no file can be made where a folder is. So one of the two is there, whoever came first.

# Opens a transaction, or bars its id. Fails when the id is barred, which is durable by then.
open_or_bar() {
	open_tx "$1" && return 0
	case $1 in '' | */* | .*) return 1 ;; esac
	[ -d "$STATE_DIR/tx" ] || mkdir "$STATE_DIR/tx" 2>/dev/null
	make_exclusively "$STATE_DIR/tx/$1"
	# It began in this very moment.
	open_tx "$1" && return 0
	if is_barred "$1"; then
		durable "$STATE_DIR/tx/$1" "$STATE_DIR/tx" "$STATE_DIR"
		find "$STATE_DIR/tx" -maxdepth 1 -type f -mtime +6 -exec rm -f {} +
		return 1
	fi
	[ -d "$STATE_DIR/tx/$1" ] || give_up "$1 is not known here, and could not be barred from beginning later"
	return 1
}

is_barred() {
	[ -f "$STATE_DIR/tx/$1" ]
}

# An empty file that wasn't there before (O_EXCL). `true`, because a failing redirection of `:` ends some shells.
make_exclusively() {
	set -C
	true 2>/dev/null >"$1"
	set +C
}
