//! What ssh tells of a connection while it opens and uses it.
//!
//! ssh writes its own messages to a pipe of ours (`-E`), at `DEBUG1`, so they never mix with what the remote
//! command prints. Only lines whose wording has been the same from OpenSSH 8.4 on are read for meaning.

use crate::tail::Tail;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// ssh runs.
    #[default]
    Started,
    /// It dials, or has started what dials for it.
    Dialling,
    /// The TCP connection is there.
    Connected,
    /// The other side has said that it speaks ssh.
    Greeted,
    /// It has shown its host key.
    KeyShown,
    /// It has let us in.
    Authenticated,
    /// Commands can run.
    Open,
}

/// What the target said of a command's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RemoteEnd {
    /// Nothing.
    #[default]
    Unheard,
    /// It sent an exit status.
    Status,
    /// It said that a signal ended the command.
    Signal,
}

/// A user key as ssh names it in its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserKey {
    pub(crate) path: String,
    pub(crate) fingerprint: String,
}

/// What one ssh process has told so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct SshLog {
    pub(crate) stage: Stage,
    /// Host, address and port that were dialled last.
    pub(crate) dialled: Option<(String, String, String)>,
    /// Something dials for us: a jump host or a `ProxyCommand`.
    pub(crate) proxied: bool,
    /// The fingerprint of the host key.
    pub(crate) host_key: Option<String>,
    pub(crate) attempted: Vec<UserKey>,
    pub(crate) accepted: Vec<UserKey>,
    pub(crate) end: RemoteEnd,
    /// Everything but debug lines.
    pub(crate) messages: Tail,
    /// Debug lines too.
    pub(crate) everything: Tail,
}

impl SshLog {
    /// Reads one line.
    pub(crate) fn hear(&mut self, line: &str) {
        let line = line.trim_end();
        self.everything.push(line);
        match line.strip_prefix("debug1: ") {
            Some(text) => self.hear_debug(text),
            None if line.starts_with("debug") => {}
            None => self.hear_message(line),
        }
    }

    fn hear_message(&mut self, line: &str) {
        if line.starts_with("Authenticated to ") {
            self.reach(Stage::Authenticated);
        }
        self.messages.push(line);
    }

    fn hear_debug(&mut self, text: &str) {
        if let Some(rest) = text.strip_prefix("Connecting to ") {
            self.dialled = dialled(rest);
            self.reach(Stage::Dialling);
        } else if text.starts_with("Executing proxy command: ") {
            self.proxied = true;
            self.reach(Stage::Dialling);
        } else if text == "Connection established." {
            self.reach(Stage::Connected);
        } else if text.starts_with("Remote protocol version ") {
            self.reach(Stage::Greeted);
        } else if let Some(rest) = ["Server host key: ", "Server host certificate: "]
            .iter()
            .find_map(|prefix| text.strip_prefix(prefix))
        {
            self.host_key = fingerprint(rest);
            self.reach(Stage::KeyShown);
        } else if let Some(rest) = text.strip_prefix("Will attempt key: ") {
            self.attempted.extend(user_key(rest));
        } else if let Some(rest) = text.strip_prefix("Server accepts key: ") {
            self.accepted.extend(user_key(rest));
        } else if text == "Entering interactive session." {
            self.reach(Stage::Open);
        } else if text.starts_with("client_input_channel_req: channel 0 rtype exit-status ") {
            self.end = RemoteEnd::Status;
        } else if text.starts_with("client_input_channel_req: channel 0 rtype exit-signal ") {
            self.end = RemoteEnd::Signal;
        }
    }

    fn reach(&mut self, stage: Stage) {
        self.stage = self.stage.max(stage);
    }
}

/// `HOST [ADDRESS] port PORT.`
fn dialled(text: &str) -> Option<(String, String, String)> {
    let (host, rest) = text.split_once(" [")?;
    let (address, port) = rest.split_once("] port ")?;
    Some((host.to_owned(), address.to_owned(), port.trim_end_matches('.').to_owned()))
}

fn fingerprint(text: &str) -> Option<String> {
    text.split(' ').find(|word| word.starts_with("SHA256:")).map(|word| word.trim_end_matches(',').to_owned())
}

/// `PATH TYPE FINGERPRINT ...`; the path may hold blanks.
fn user_key(text: &str) -> Option<UserKey> {
    let fingerprint = fingerprint(text)?;
    let (before, _) = text.split_once(&format!(" {fingerprint}"))?;
    let (path, _kind) = before.rsplit_once(' ')?;
    Some(UserKey { path: path.to_owned(), fingerprint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_connection_is_followed() {
        let mut log = SshLog::default();
        for (line, stage) in [
            ("debug1: Connecting to app.example.org [fe80::1%eth0] port 2222.", Stage::Dialling),
            ("debug1: Connection established.", Stage::Connected),
            ("debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2p1", Stage::Greeted),
            ("debug1: Server host key: ssh-ed25519 SHA256:WUi4", Stage::KeyShown),
            ("debug1: Will attempt key: /a b/id ED25519 SHA256:9Dn explicit agent", Stage::KeyShown),
            ("debug1: Server accepts key: /a b/id ED25519 SHA256:9Dn explicit agent", Stage::KeyShown),
            ("Authenticated to app.example.org ([::1]:2222) using \"publickey\".", Stage::Authenticated),
            ("debug1: Entering interactive session.\r", Stage::Open),
        ] {
            log.hear(line);
            assert_eq!(log.stage, stage, "{line}");
        }
        assert_eq!(
            log.dialled,
            Some(("app.example.org".to_owned(), "fe80::1%eth0".to_owned(), "2222".to_owned()))
        );
        assert_eq!(log.host_key.as_deref(), Some("SHA256:WUi4"));
        assert_eq!(log.accepted, log.attempted);
        assert_eq!(log.accepted[0].path, "/a b/id");
        assert_eq!(log.end, RemoteEnd::Unheard);
        log.hear("debug1: client_input_channel_req: channel 0 rtype exit-status reply 0");
        assert_eq!(log.end, RemoteEnd::Status);
        assert!(!log.messages.as_str().contains("debug1") && log.everything.as_str().contains("debug1"));
    }

    #[test]
    fn the_fingerprint_of_a_host_certificate_is_found() {
        let mut log = SshLog::default();
        log.hear(
            "debug1: Server host key: ssh-ed25519-cert-v01@openssh.com SHA256:abc, serial 0 ID \"x\" CA",
        );
        assert_eq!(log.host_key.as_deref(), Some("SHA256:abc"));
    }
}
