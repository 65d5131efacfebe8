# shellcheck shell=sh
# Looking for what would keep a guard from being armed here.

verb_doctor() {
	contact
	tell_host
	tell_pending
	tell_lease ''
	for vd_tool in sha256sum stat find cp mv ln tar sed awk grep tail head sync sort cut tr touch df du mkfifo readlink sleep date id dd cat rmdir; do
		command -v "$vd_tool" >/dev/null 2>&1 || tell "doctor item=tool ok=0 -- $vd_tool is missing"
	done
	stat -c %f / >/dev/null 2>&1 || tell "doctor item=tool ok=0 -- stat doesn't know -c"
	doctor_links
	[ -n "$SETSID" ] || tell "doctor item=tool ok=0 -- setsid is missing: a step that must be ended leaves its children"
	if hook_installed; then
		tell "doctor item=hook ok=1 -- installed ($HOOK)"
	else
		case $HOOK in
		none) tell "doctor item=hook ok=0 -- no boot hook is possible: process 1 starts neither systemd, OpenRC, sysvinit nor OpenWrt's scripts" ;;
		*) tell "doctor item=hook ok=1 -- is installed by the first deploy ($HOOK)" ;;
		esac
	fi
	tell end
}

doctor_links() {
	mkdir -p "$STATE_DIR/inbox" && true >"$STATE_DIR/inbox/probe.$$" || {
		tell "doctor item=state ok=0 -- $STATE_DIR can't be written"
		return
	}
	if ln "$STATE_DIR/inbox/probe.$$" "$STATE_DIR/inbox/link.$$" 2>/dev/null; then
		tell "doctor item=state ok=1 -- $STATE_DIR"
	else
		tell "doctor item=state ok=0 -- the file system of $STATE_DIR has no hard links"
	fi
	rm -f "$STATE_DIR/inbox/probe.$$" "$STATE_DIR/inbox/link.$$"
}

# Removes every trace of us; refused while a transaction is open.
verb_forget() {
	contact
	if read_current; then
		tell_pending
		refuse locked "a transaction is open on this host"
	fi
	if read_lease; then
		tell_lease ''
		refuse leased "a run is about to change this host"
	fi
	remove_hook
	rm -rf "$STATE_DIR"
	# Ours alone where it was made for the state.
	[ "$STATE_DIR" != /etc/snapback/state ] || rmdir /etc/snapback 2>/dev/null
	tell "forgotten -- $STATE_DIR and the boot hook are gone"
	tell end
}
