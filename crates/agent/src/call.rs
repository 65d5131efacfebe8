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

/// Becomes root if it must, then goes on with `$1`, behind a word for how it did. One line, no single quote, no `!`: in
/// single quotes it means the same to a POSIX shell, fish and csh. Probes read nothing: what was sent is not theirs. A
/// home that root may not read (NFS) is no place to start from.
///
/// Where sudo wants a password, its prompt is a marked line of its own. Lines that begin with `p` are for sudo, by
/// a builtin, since arguments can be read by anybody; any other line says that the rest is the agent's. When there is
/// no more of them sudo is killed: what it found instead of a second password would count as a second failure. When
/// sudo has ended, whoever still reads for it is killed. The group is this command's alone, and root is out of reach.
const OUTER: &str = concat!(
    r#"cd /; b=$2; p=; w=$b; e=; d=; if [ $b = none ]; then :; elif [ -O /proc ] || [ "$(id -u)" = 0 ]; then w=root; else "#,
    r#"case $b in auto*|sudo_ask) if e=$(LC_ALL=C sudo -n true 2>&1 </dev/null); then b=sudo; "#,
    r#"elif [ $b = sudo_ask ]; then :; elif d=$(LC_ALL=C doas -n true 2>&1 </dev/null); then b=doas; "#,
    r#"elif [ $b = auto_ask ] && command -v sudo >/dev/null; then b=sudo_ask; "#,
    r#"else set -f; echo; echo "@snapback:$3 no_become uid=$(id -u) --" $e / $d; exit 0; fi;; esac; "#,
    r#"w=$b; case $b in sudo) p="sudo -n";; doas) p="doas -n";; "#,
    r#"run0) p="run0 --no-ask-password --setenv=SNAPBACK_FROM=$$";; esac; fi; i=$1; shift 2; "#,
    r#"if [ $w = sudo_ask ]; then q=$(printf "\n@snapback:%s password\n." "$1"); o=$(command -v printf); "#,
    r#"{ while IFS= read -r k; do case $k in p*) case $o in /*) print -r -- "${k#p}";; *) printf "%s\n" "${k#p}";; esac;; "#,
    r#"*) exec cat;; esac; done; kill -KILL 0; } | "#,
    r#"{ sudo -S -p "${q%.}" /bin/sh -c "$i" snapback $w "$@"; kill -KILL 0; }; fi; "#,
    r#"exec $p /bin/sh -c "$i" snapback $w "$@""#
);

/// Finds the state directory, in which nothing is run unless it is ours, and the agent in it: for a verb that sends nothing the one that began what is open, else
/// any version there is, so that nothing pending is ever taken for nothing. Then unpacks what was sent, and hands over. The line that is printed
/// first ends whatever a login script left open on its last line.
const INNER: &str = concat!(
    r#"umask 077; t=$1 n=$2 h=$3 w=$4; shift 4; echo; echo "@snapback:$n inside how=$t"; "#,
    r#"if [ -n "${SNAPBACK_STATE:-}" ]; then s=$SNAPBACK_STATE; "#,
    r#"elif [ -d /etc/snapback/state ] || [ /var -ef /tmp ]; then s=/etc/snapback/state; else s=/var/lib/snapback; fi; "#,
    r#"if [ -O "$s" ]; then :; elif [ -e "$s" ] || [ -L "$s" ]; then "#,
    r#"printf "@snapback:%s error -- %s belongs to another user than %s: look at it, then move it away\n@snapback:%s end\n" "#,
    r#""$n" "$s" "$(id -u)" "$n"; exit 0; fi; "#,
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
    line(r#become.word(), nonce, sent, verb)
}

/// Returns the command line for a caller that has a password: where sudo wants one, it says so by the line that
/// [`is_prompt`] knows, on standard error, and then reads [`password_line`]. What the agent reads must wait for
/// `inside`, and where that says `sudo_ask` it goes behind [`GO_ON`].
#[must_use]
pub fn asking_command_line(r#become: Become, nonce: &str, sent: Sent, verb: &[&str]) -> String {
    let word = match r#become {
        Become::Auto => "auto_ask",
        Become::Sudo => "sudo_ask",
        other => other.word(),
    };
    line(word, nonce, sent, verb)
}

/// What stands before what the agent reads, where a password may have gone before it.
pub const GO_ON: &[u8] = b"g\n";

/// Writes what sudo gets as the password.
pub fn password_line(password: &str, line: &mut Vec<u8>) {
    line.push(b'p');
    line.extend_from_slice(password.as_bytes());
    line.push(b'\n');
}

/// Returns whether a line of standard error is sudo asking for the password.
#[must_use]
pub fn is_prompt(nonce: &str, line: &[u8]) -> bool {
    // Some versions of sudo put a word of their own in front of a prompt.
    String::from_utf8_lossy(line).trim_end().ends_with(&format!("@snapback:{nonce} password"))
}

fn line(way: &str, nonce: &str, sent: Sent, verb: &[&str]) -> String {
    let hash = agent().hash.as_str();
    let nonce = word(nonce);
    let mut line =
        format!("exec /bin/sh -c '{OUTER}' snapback '{INNER}' {way} {nonce} {hash} {}", sent.word());
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
