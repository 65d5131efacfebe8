//! What a person is told when a connection can't be opened: one sentence, and something to paste.

use crate::command_line::by_hand;
use crate::quote::for_shell;
use crate::seam::{ConnectError, ConnectErrorKind as Kind};
use crate::ssh_log::{SshLog, Stage};
use snapback_core::way::{Way, WayKind};
use std::time::Duration;

/// Why an attempt failed, before it is put into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// One of the kinds, by ssh's own words or our clock.
    Kind(Kind),
    /// Another host key than at the start of the run.
    UnpinnedKey,
    /// The host let us in by another user key than the one that the way names.
    OtherUserKey,
    /// The connection broke while the command ran.
    Broken,
}

impl Cause {
    fn kind(self) -> Kind {
        match self {
            Self::Kind(kind) => kind,
            Self::UnpinnedKey => Kind::ChangedHostKey,
            Self::OtherUserKey => Kind::Auth,
            Self::Broken => Kind::Lost,
        }
    }
}

/// Everything that is known of a failed attempt.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) way: &'a Way,
    pub(crate) log: &'a SshLog,
    pub(crate) beside: &'a str,
    pub(crate) after: Duration,
    pub(crate) verbose: bool,
}

/// Puts a failed attempt into words.
pub(crate) fn explain(cause: Cause, facts: &Facts<'_>) -> ConnectError {
    let (message, hint) = words(cause, facts);
    let log = if facts.verbose { &facts.log.everything } else { &facts.log.messages };
    let mut transcript = crate::tail::Tail::default();
    facts.beside.lines().chain(log.as_str().lines()).for_each(|line| transcript.push(line));
    ConnectError {
        kind: cause.kind(),
        message,
        hint,
        transcript: transcript.as_str().to_owned(),
        after: facts.after,
    }
}

/// Returns an error of the controller's own, before or beside ssh.
pub(crate) fn local(way: &Way, problem: &str, hint: &str, after: Duration) -> ConnectError {
    ConnectError {
        kind: Kind::Local,
        message: format!("{} can't be reached from here: {problem}", way.host),
        hint: hint.to_owned(),
        transcript: String::new(),
        after,
    }
}

fn words(cause: Cause, facts: &Facts<'_>) -> (String, String) {
    let place = place(facts);
    let probe = format!("look closer with: {}", by_hand_command(facts.way, "-v", "true"));
    match cause {
        Cause::UnpinnedKey if facts.way.host_key.is_some() => (
            format!("{place} shows another host key than the announced one (`host_key`)"),
            "not moved to the new key yet, or something else answers there; compare on the host's console: \
             cat /etc/ssh/ssh_host_*_key.pub"
                .to_owned(),
        ),
        Cause::UnpinnedKey => (
            format!("{place} shows another host key than at the start of this run"),
            "something else answers at that address, or the host key was replaced meanwhile; compare on the \
             host's console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"
                .to_owned(),
        ),
        Cause::OtherUserKey => (
            format!("{place} took another key than the identity_file that its way in names"),
            format!(
                "no `IdentityFile` of the ssh configuration may apply to this host; try the key alone: {}",
                by_hand_command(facts.way, "-F none -o IdentitiesOnly=yes", "true")
            ),
        ),
        Cause::Broken => (
            format!("{place} lost the connection while a command was running"),
            "what the command did can only be asked over another connection".to_owned(),
        ),
        Cause::Kind(kind) => kind_words(kind, &place, probe, facts),
    }
}

fn kind_words(kind: Kind, place: &str, probe: String, facts: &Facts<'_>) -> (String, String) {
    match kind {
        Kind::UnknownHostKey => (format!("{place} has a host key that isn't known here"), learn_key(facts)),
        Kind::ChangedHostKey => {
            (format!("{place} has another host key than the known one"), forget_key(facts))
        }
        Kind::Auth => (
            format!("{place} takes none of our keys"),
            format!("see which keys are offered and why: {}", by_hand_command(facts.way, "-v", "true")),
        ),
        Kind::Refused => (
            format!("{place} refused the connection: nothing listens there"),
            format!("check that sshd runs on the host and listens on that port; {probe}"),
        ),
        Kind::Timeout => (silence(place, facts), format!("check the address, firewalls and routes; {probe}")),
        Kind::Name => (
            format!("{place} can't be found: its name doesn't resolve"),
            format!("check the spelling, or set `address`; {probe}"),
        ),
        Kind::NoRoute => (format!("{place} can't be reached: there is no route to it"), probe),
        Kind::Lost => (
            format!("{place} closed the connection while it was being opened"),
            format!("it may limit new connections (MaxStartups, PerSourcePenalties); {probe}"),
        ),
        Kind::Jump => (
            format!("{place} can't be reached: the jump host in front of it failed"),
            probe_jump(facts).unwrap_or(probe),
        ),
        Kind::Local => (
            format!(
                "{place} can't be reached: ssh or its configuration on this machine is at fault{}",
                last_words(facts)
            ),
            format!("see what ssh says: {}", by_hand_command(facts.way, "", "true")),
        ),
    }
}

/// `app01 (10.0.0.1 port 22, its old way in)`.
fn place(facts: &Facts<'_>) -> String {
    let way = facts.way;
    let mut details = Vec::new();
    match &facts.log.dialled {
        Some((_, address, port)) => details.push(format!("{address} port {port}")),
        None => {
            details.extend(way.address.clone());
            details.extend(way.port.map(|port| format!("port {port}")));
        }
    }
    if facts.log.proxied {
        details.push(
            way.proxy_jump
                .as_ref()
                .map_or("through a jump host".to_owned(), |jump| format!("through {jump}")),
        );
    }
    if way.kind == WayKind::Was {
        details.push("its old way in".to_owned());
    }
    if details.is_empty() { way.host.to_string() } else { format!("{} ({})", way.host, details.join(", ")) }
}

fn silence(place: &str, facts: &Facts<'_>) -> String {
    let limit = facts.way.connect_timeout;
    match facts.log.stage {
        Stage::Started | Stage::Dialling if facts.log.proxied => {
            format!("{place} did not answer within {limit:?}: it or the jump host is silent")
        }
        Stage::Started | Stage::Dialling => format!("{place} did not answer within {limit:?}"),
        Stage::Connected => format!("{place} took the connection and then said nothing for {limit:?}"),
        Stage::Greeted | Stage::KeyShown => format!("{place} did not let us in within {limit:?}"),
        Stage::Authenticated | Stage::Open => format!("{place} let us in and then fell silent for {limit:?}"),
    }
}

fn learn_key(facts: &Facts<'_>) -> String {
    let shown = facts.log.host_key.as_deref().unwrap_or("the fingerprint");
    format!(
        "compare {shown} with the host's console (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then connect \
         once by hand: {}",
        by_hand(facts.way, "")
    )
}

fn forget_key(facts: &Facts<'_>) -> String {
    let messages = facts.log.messages.as_str();
    let between = |before: &str, after: &str| {
        messages.lines().find_map(|line| Some(line.split_once(before)?.1.split_once(after)?.0.to_owned()))
    };
    let name = between("Host key for ", " has changed").unwrap_or_else(|| facts.way.host.to_string());
    let file = messages
        .lines()
        .find_map(|line| line.strip_prefix("Offending ")?.split_once(" key in ")?.1.rsplit_once(':'))
        .map(|(file, _)| format!("-f {} ", for_shell(file)))
        .unwrap_or_default();
    format!(
        "if the host was installed anew, compare {shown} with its console, then: ssh-keygen {file}-R {name}",
        shown = facts.log.host_key.as_deref().unwrap_or("the fingerprint"),
        name = for_shell(&name),
    )
}

fn probe_jump(facts: &Facts<'_>) -> Option<String> {
    let jump = facts.way.proxy_jump.as_deref()?;
    Some(format!(
        "try the jump host by itself: ssh -J {} or: ssh -v {} true",
        for_shell(jump),
        for_shell(jump)
    ))
}

fn by_hand_command(way: &Way, flags: &str, command: &str) -> String {
    format!("{} {command}", by_hand(way, flags))
}

fn last_words(facts: &Facts<'_>) -> String {
    facts.log.messages.as_str().lines().next().map(|line| format!(" ({line})")).unwrap_or_default()
}
