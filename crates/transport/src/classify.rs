//! From ssh's words to one of our kinds.

use crate::seam::ConnectErrorKind as Kind;
use crate::ssh_log::{SshLog, Stage};

/// Texts of ssh itself (untranslated, and the C library's under `LC_ALL=C`), most telling first.
const OWN: &[(&str, Kind)] = &[
    ("Bad configuration option", Kind::Local),
    ("Can't open user config file", Kind::Local),
    ("Bad owner or permissions on", Kind::Local),
    ("terminating, ", Kind::Local),
    ("unix_listener:", Kind::Local),
    ("command-line line 0:", Kind::Local),
    ("command-line: line 0:", Kind::Local),
    ("Unable to negotiate with", Kind::Local),
    ("no matching host key type found", Kind::Local),
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", Kind::ChangedHostKey),
    ("REVOKED HOST KEY DETECTED", Kind::ChangedHostKey),
    ("has changed and you have requested strict checking", Kind::ChangedHostKey),
    (" host key is known for ", Kind::UnknownHostKey),
    ("Host key verification failed.", Kind::UnknownHostKey),
    ("Permission denied (", Kind::Auth),
    ("Too many authentication failures", Kind::Auth),
    ("Could not resolve hostname", Kind::Name),
    ("Connection refused", Kind::Refused),
    ("No route to host", Kind::NoRoute),
    ("Network is unreachable", Kind::NoRoute),
    ("timed out", Kind::Timeout),
    ("not responding", Kind::Timeout),
];

/// What an inner `ssh -W` says when the jump host is there and can't reach the target.
const BEHIND_JUMP: &[(&str, Kind)] = &[
    ("Connection refused", Kind::Refused),
    ("No route to host", Kind::NoRoute),
    ("Network is unreachable", Kind::NoRoute),
    ("timed out", Kind::Timeout),
    ("not known", Kind::Name),
    ("name resolution", Kind::Name),
    ("No address associated", Kind::Name),
];

/// What an inner ssh says when it can't get into the jump host.
const JUMP_ITSELF: &[&str] = &[
    "ssh: connect to host",
    "Could not resolve hostname",
    "Permission denied (",
    "Host key verification failed",
    "kex_exchange_identification",
    "banner exchange",
    "Connection closed by",
    "Connection reset by",
    "Too many authentication failures",
    "administratively prohibited",
    "Bad configuration option",
];

/// Returns why a connection wasn't opened. `beside` is what came on standard error, where ssh itself doesn't
/// write: the processes that dial for it do.
pub(crate) fn classify(log: &SshLog, beside: &str) -> Kind {
    if log.proxied
        && log.stage < Stage::KeyShown
        && let Some(kind) = before_the_target(beside)
    {
        return kind;
    }
    // What ssh says of its command line comes before it has opened its log.
    let own = find(log.messages.as_str(), OWN);
    own.or_else(|| find(beside, OWN).filter(|_| log.stage == Stage::Started)).unwrap_or(Kind::Lost)
}

fn before_the_target(beside: &str) -> Option<Kind> {
    if let Some(refusal) = beside.lines().find(|line| line.contains(": open failed: connect failed: ")) {
        return Some(find(refusal, BEHIND_JUMP).unwrap_or(Kind::Jump));
    }
    JUMP_ITSELF.iter().any(|text| beside.contains(text)).then_some(Kind::Jump)
}

fn find(text: &str, table: &[(&str, Kind)]) -> Option<Kind> {
    table.iter().find(|(needle, _)| text.contains(needle)).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(message: &str) -> Kind {
        let mut log = SshLog::default();
        message.lines().for_each(|line| log.hear(line));
        classify(&log, "")
    }

    /// Texts as OpenSSH 8.4 to 9.2 write them.
    #[test]
    fn every_known_text_has_its_kind() {
        for (text, kind) in [
            ("root@h: Permission denied (publickey,password).", Kind::Auth),
            (
                "Received disconnect from ::1 port 22:2: Too many authentication failures\nDisconnected from ::1 port 22",
                Kind::Auth,
            ),
            (
                "No ED25519 host key is known for [127.0.0.1]:2 and you have requested strict checking.\nHost key verification failed.",
                Kind::UnknownHostKey,
            ),
            (
                "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.",
                Kind::ChangedHostKey,
            ),
            ("ssh: connect to host 127.0.0.1 port 1: Connection refused", Kind::Refused),
            ("ssh: connect to host 192.0.2.1 port 22: Connection timed out", Kind::Timeout),
            ("Connection timed out during banner exchange", Kind::Timeout),
            ("kex_exchange_identification: Connection closed by remote host", Kind::Lost),
            ("kex_exchange_identification: read: Connection reset by peer", Kind::Lost),
            ("ssh: Could not resolve hostname x.invalid: Name or service not known", Kind::Name),
            ("ssh: connect to host 192.0.2.1 port 22: Network is unreachable", Kind::NoRoute),
            ("/x: line 3: Bad configuration option: frobnicate", Kind::Local),
            ("unix_listener: path \"/x\" too long for Unix domain socket", Kind::Local),
            ("", Kind::Lost),
        ] {
            assert_eq!(direct(text), kind, "{text}");
        }
    }

    #[test]
    fn a_command_line_that_ssh_refuses_is_our_own_fault() {
        assert_eq!(classify(&SshLog::default(), "command-line line 0: Invalid ProxyJump"), Kind::Local);
    }

    #[test]
    fn behind_a_jump_host_the_inner_ssh_tells_which_side_failed() {
        let mut log = SshLog::default();
        log.hear("debug1: Executing proxy command: exec ssh -W '[t]:22' j");
        log.hear("kex_exchange_identification: Connection closed by remote host");
        for (beside, kind) in [
            (
                "channel 0: open failed: connect failed: Connection refused\nstdio forwarding failed",
                Kind::Refused,
            ),
            ("channel 0: open failed: connect failed: Name or service not known", Kind::Name),
            ("channel 0: open failed: administratively prohibited: open failed", Kind::Jump),
            ("ssh: connect to host j port 22: Connection refused", Kind::Jump),
            ("u@j: Permission denied (publickey).", Kind::Jump),
            ("a banner", Kind::Lost),
        ] {
            assert_eq!(classify(&log, beside), kind, "{beside}");
        }
    }
}
