//! Calling the agent: one command line that means the same to every login shell.

use crate::bundle::agent;
use snapback_core::way::Become;

/// What is sent on standard input besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Nothing, or what the verb itself reads (the token).
    Plain,
    /// A tar archive for the verb.
    Payload,
    /// A tar archive with the agent in it.
    Install,
}

impl Sent {
    fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Payload => "payload",
            Self::Install => "install",
        }
    }
}

/// Becomes root if it must, then goes on with `$1`. One line, no single quote, no `!`: in single quotes it means
/// the same to a POSIX shell, fish and csh.
const OUTER: &str = concat!(
    r#"b=$2; p=; case $b in "#,
    r#"auto) if [ "$(id -u)" = 0 ]; then :; else if sudo -n true 2>/dev/null; then p="sudo -n"; "#,
    r#"elif doas -n true 2>/dev/null; then p="doas -n"; "#,
    r#"else printf "\n@snapback:%s no_become uid=%s\n" "$3" "$(id -u)"; exit 0; fi; fi;; "#,
    r#"sudo) p="sudo -n";; doas) p="doas -n";; esac; "#,
    r#"i=$1; shift 2; exec $p /bin/sh -c "$i" snapback "$@""#
);

/// Finds the state directory and the agent in it: for a verb that sends nothing the one that began what is open, else
/// any version there is, so that nothing pending is ever taken for nothing. Then unpacks what was sent, and hands over. The line that is printed
/// first ends whatever a login script left open on its last line.
const INNER: &str = concat!(
    r#"umask 077; n=$1 h=$2 w=$3; shift 3; echo; "#,
    r#"if [ -n "${SNAPBACK_STATE:-}" ]; then s=$SNAPBACK_STATE; "#,
    r#"elif [ -d /etc/snapback/state ]; then s=/etc/snapback/state; else s=/var/lib/snapback; fi; "#,
    r#"a=$s/agent/$h/agent.sh; "#,
    r#"if [ "$w" = plain ] && [ -f "$s/current" ] && [ -r "$s/current" ]; then read -r c <"$s/current"; "#,
    r#"if [ -f "$s/tx/$c/agent.sh" ]; then a=$s/tx/$c/agent.sh; fi; fi; "#,
    r#"if [ "$w" = plain ]; then for f in "$s"/agent/*/agent.sh; do if [ -f "$a" ]; then :; else a=$f; fi; done; fi; "#,
    r#"if [ -f "$a" ] || [ "$w" = install ]; then :; else printf "@snapback:%s need_agent\n" "$n"; exit 0; fi; "#,
    r#"d=-; if [ "$w" = plain ]; then :; else d=$s/inbox/$n; "#,
    r#"if mkdir -p "$d" && cd "$d" && tar -xpmf -; then :; else "#,
    r#"f=$(df -Pk "$s" | tail -n 1); cd /; rm -rf "$d"; "#,
    r#"printf "@snapback:%s unpack_failed -- %s\n" "$n" "$f"; exit 0; fi; "#,
    r#"if [ "$w" = install ]; then a=$d/agent.sh; fi; fi; "#,
    r#"exec ${SNAPBACK_SH:-/bin/sh} "$a" "$n" "$s" "$w" "$d" "$@""#
);

/// Returns the command line for a verb and its arguments.
///
/// # Panics
/// Never for words that this crate and the engine make: an argument that needed quoting would be a bug, and is
/// replaced by `_` rather than handed to a shell.
#[must_use]
pub fn command_line(r#become: Become, nonce: &str, sent: Sent, verb: &[&str]) -> String {
    let hash = agent().hash.as_str();
    let mut line = format!(
        "exec /bin/sh -c '{OUTER}' snapback '{INNER}' {} {} {hash} {}",
        r#become.word(),
        word(nonce),
        sent.word()
    );
    for argument in verb {
        line.push(' ');
        line.push_str(&word(argument));
    }
    line
}

/// Keeps what can stand unquoted in any shell.
fn word(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_safe_inside_single_quotes_of_any_shell() {
        for text in [OUTER, INNER] {
            assert!(!text.contains('\''), "a single quote would end the quoting");
            assert!(!text.contains('\n'), "csh ends a quoted string at the newline");
            assert!(!text.contains('!'), "csh would look into its history");
            assert!(!text.contains(r"\\"), "fish reads an escaped backslash even in single quotes");
        }
    }

    #[test]
    fn an_argument_can_not_smuggle_a_command() {
        let line = command_line(Become::Auto, "abc", Sent::Plain, &["follow", "x; reboot", "$(id)"]);
        assert!(line.ends_with("plain follow x__reboot __id_"));
    }
}
