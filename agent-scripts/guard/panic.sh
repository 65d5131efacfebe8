# shellcheck shell=sh
# A kernel that panics and stays there never comes as far as the boot hook. So while a transaction is armed it starts
# again by itself, where it would not have.

PANIC_FILE=/proc/sys/kernel/panic
PANIC_SECONDS=10

# Sets it, and notes that in advance: only what was 0 is touched, and only where the kernel is this host's own.
panic_arm() {
	# Some shells read byte by byte, and the kernel gives such a file out only at once.
	[ "$HOOK" != none ] && [ -w "$PANIC_FILE" ] && [ "$(cat "$PANIC_FILE")" = 0 ] || return 0
	is_contained && return 0
	read_boot_id
	note panic "$BOOT_ID" && put "$PANIC_SECONDS" >"$PANIC_FILE"
	return 0
}

# Puts it back in the boot that set it, if it is still ours.
panic_disarm() {
	read_mark panic || return 0
	read_boot_id
	[ "$MARK" != "$BOOT_ID" ] || [ "$(cat "$PANIC_FILE")" != "$PANIC_SECONDS" ] || put 0 >"$PANIC_FILE"
	rm -f "$TX/panic"
}

# Whether this is a container: its processes are not numbered by the kernel's first namespace, which has a number
# of its own (PROC_PID_INIT_INO of include/linux/proc_ns.h).
is_contained() {
	[ "$(readlink /proc/self/ns/pid)" != 'pid:[4026531836]' ]
}
