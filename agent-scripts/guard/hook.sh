# shellcheck shell=sh
# The boot hook, whatever starts it: installed once, inert without `current`, the same `boot ID STAGE` everywhere. For
# each init there are: does it run this host, which parts does it need, what do they say, are they enabled.

# Sets HOOK to the init that really boots this host; one that is only installed, as in a container, starts nothing.
choose_hook() {
	for ch_init in systemd openrc openwrt sysvinit; do
		if "${ch_init}_boots"; then
			HOOK=$ch_init
			return 0
		fi
	done
	HOOK=none
}

# Sets INIT to the name of process 1.
read_init() {
	INIT=
	read_stat 1 && INIT=$STAT_NAME
}

# Whether /etc/inittab says this.
inittab_says() {
	while IFS= read -r it_line; do
		case $it_line in "#"*) ;; *"$1"*) return 0 ;; esac
	done 2>/dev/null </etc/inittab
	return 1
}

# Where the state lies on a file system of its own, the hook can only run once that is mounted.
state_is_on_root() {
	read_mounts
	find_mount "$STATE_DIR"
	[ "$MOUNT_POINT" = / ]
}

# Whether the hook is there, enabled, and as this agent would write it.
hook_installed() {
	[ "$HOOK" != none ] || return 1
	"${HOOK}_hook_parts"
	hi_all=$HOOK_SCRIPT
	set -- "$STATE_DIR/hook.sh"
	for hi_part in $HOOK_PARTS; do
		"${HOOK}_hook_enabled" "$hi_part" || return 1
		"${HOOK}_hook_part" "$hi_part"
		[ -f "$HOOK_FILE" ] || return 1
		hi_all=$hi_all$HOOK_TEXT
		set -- "$@" "$HOOK_FILE"
	done
	[ -f "$1" ] && [ "$hi_all" = "$(cat "$@")
" ]
}

# It is durable, and was read back, before anything is armed.
install_hook() {
	hook_installed && return 0
	printf %s "$HOOK_SCRIPT" >"$STATE_DIR/hook.sh" || return 1
	"${HOOK}_hook_parts"
	set -- "$STATE_DIR/hook.sh" "$STATE_DIR"
	for ih_part in $HOOK_PARTS; do
		"${HOOK}_hook_part" "$ih_part"
		# A masked unit is a symlink to nowhere, and systemd warns of units that not everybody may read.
		rm -f "$HOOK_FILE" && printf %s "$HOOK_TEXT" >"$HOOK_FILE" && chmod "$HOOK_MODE" "$HOOK_FILE" || return 1
		set -- "$@" "$HOOK_FILE"
	done
	# All first: who orders init scripts looks at all of them.
	for ih_part in $HOOK_PARTS; do
		"${HOOK}_enable_hook" "$ih_part" || return 1
	done
	# shellcheck disable=SC2086 # a list
	durable "$@" $HOOK_FOLDERS && hook_installed
}

# Every trace, of whatever init: another one may have run this host before.
remove_hook() {
	rm -f "$STATE_DIR/hook.sh" "$HOOK_UNITS"/snapback-boot*.service "$HOOK_UNITS"/*.wants/snapback-boot*.service \
		/etc/init.d/snapback-boot /etc/init.d/snapback-boot-mounted /etc/init.d/snapback-boot-late \
		/etc/runlevels/*/snapback-boot* /etc/rc.d/S[0-9][0-9]snapback-boot* /etc/rc[S0-6].d/[SK][0-9][0-9]snapback-boot*
	# Since a reboot systemd knows the units, and sysvinit keeps a list of what comes before what.
	case $HOOK in
	systemd) systemctl daemon-reload ;;
	sysvinit) update-rc.d snapback-boot remove ;;
	esac >/dev/null 2>&1
	return 0
}

# Called as: hook.sh STAGE [limited|apart]. The boot waits for the early stages, so where the init has no limit of its own they get one. Nobody waits for the
# late one.
# shellcheck disable=SC2016 # it expands there, not here
HOOK_SCRIPT='#!/bin/sh
state=${0%/*}
[ -f "$state/current" ] || exit 0
read -r id <"$state/current" || id=
# Where the lock can not be read whole it is the one that is armed and not over.
[ -n "$id" ] || for tx in "$state"/tx/*/; do
	[ ! -s "${tx}armed" ] || [ -f "${tx}done" ] || { id=${tx%/} && id=${id##*/}; }
done
case $id in "" | */* | .*) exit 0 ;; esac
[ -f "$state/tx/$id/agent.sh" ] || exit 0
how=${2:-}
set -- /bin/sh "$state/tx/$id/agent.sh" - "$state" plain - boot "$id" "$1"
case $how in
limited)
	"$@" </dev/null &
	hook=$!
	(
		sleep 90 &
		trap "kill $!; exit" TERM
		wait $!
		kill -KILL $hook
	) </dev/null >/dev/null 2>&1 &
	dog=$!
	wait $hook
	kill $dog 2>/dev/null
	;;
apart)
	trap "" HUP
	! command -v setsid >/dev/null 2>&1 || set -- setsid "$@"
	"$@" </dev/null >/dev/null 2>&1 &
	;;
*) exec "$@" ;;
esac
exit 0
'

# Sets HOOK_CALL to what an init script runs for a stage.
hook_call() {
	HOOK_CALL="[ ! -f $STATE_DIR/current ] || /bin/sh $STATE_DIR/hook.sh"
	case $1 in
	boot-late) HOOK_CALL="$HOOK_CALL boot-late apart" ;;
	*) HOOK_CALL="$HOOK_CALL $1 limited" ;;
	esac
}
