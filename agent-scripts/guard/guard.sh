# shellcheck shell=sh
# The guard, whatever it is made of: chosen by probing, the same questions for each backend.

# Sets BACKEND and HOOK. A host may be told to do without, as `deploy demo` tells its own: a demonstration installs
# nothing.
choose_backend() {
	BACKEND=bare HOOK=none
	[ "${SNAPBACK_GUARD:-}" != bare ] && [ "$UID_NOW" = 0 ] || return 0
	read_init
	if systemd_can; then BACKEND=systemd; fi
	choose_hook
}

guard_start() { "${BACKEND}_start"; }
guard_is_armed() { "${BACKEND}_is_armed"; }
guard_start_runner() { "${BACKEND}_start_runner"; }
guard_detach() { "${BACKEND}_detach" "$@"; }
guard_kill_runner() { "${BACKEND}_kill_runner"; }
guard_note_runner() { "${BACKEND}_note_runner"; }
guard_kill_supervisor() { "${BACKEND}_kill_supervisor" "$1"; }

# Stops what still waits, once all is over: before that somebody may still be needed.
guard_stop() {
	read_mark 'done' || read_mark undo_failed || return 0
	! is_rechecked || return 0
	"${BACKEND}_stop"
}

# Waits until supervisor and backup say that they live; at most ten seconds. They wake us.
await_armed() {
	aa_left=50
	while ! guard_is_armed; do
		aa_left=$((aa_left - 1))
		[ "$aa_left" -gt 0 ] || return 1
		nap 20
	done
}
