//! One attempt to connect.

use crate::classify::classify;
use crate::command_line::{Purpose, arguments};
use crate::connector::SshConnector;
use crate::explain::{Cause, Facts, explain, local};
use crate::once;
use crate::opening::{Opening, Trouble, with_pin};
use crate::openssh::MuxSession;
use crate::pins::PinFile;
use crate::seam::{ConnectError, ConnectErrorKind, Exit, Invocation, LineSender};
use crate::ssh::Ssh;
use crate::ssh_log::{SshLog, Stage};
use crate::tail::Tail;
use crate::wrapper::Terms;
use snapback_core::way::{Family, Way};
use std::fs::File;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::ChildStderr;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// How long the last words of a dead ssh's helpers are waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// An attempt, within the time of all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) way: &'a Way,
    pub(crate) started: Instant,
    pub(crate) deadline: Instant,
}

/// A failed attempt.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: ConnectError,
    /// Another attempt may go better, and this one has done nothing.
    pub(crate) passing: bool,
}

/// An ssh that has been started, with the key that its host must show.
struct Started {
    ssh: Ssh,
    pin: Option<PinFile>,
}

/// Everything that a dead ssh and its helpers have said.
struct Heard {
    log: SshLog,
    /// What came on standard error.
    beside: Tail,
}

impl SshConnector {
    /// Opens a connection with a master of our own.
    pub(crate) async fn open_session(&self, attempt: Attempt<'_>) -> Result<MuxSession, Failure> {
        let socket = self.launcher.dir.fresh("sock");
        let purpose = Purpose::Master { socket: &socket };
        let Started { mut ssh, pin } = self.start(attempt, &purpose, false).await?;
        let mut log = ssh.log();
        let beside = ssh.child.stderr.take().map(listen);
        let opening = self.opening(attempt);
        let opened = tokio::select! {
            opened = opening.finished(&mut log) => opened.map_err(Trouble::Failed),
            ended = ssh.ended() => Err(ended.map_or_else(Trouble::Io, |_| Trouble::NotOpened)),
        };
        let Err(trouble) = opened else { return Ok(MuxSession::new(ssh, socket)) };
        ssh.stop().await;
        let beside = match beside {
            Some(listening) => {
                timeout(LAST_WORDS, listening).await.ok().and_then(Result::ok).unwrap_or_default()
            }
            None => Tail::default(),
        };
        let heard = Heard { log: log.borrow().clone(), beside };
        Err(self.failure(attempt, trouble, &heard, pin.as_ref()))
    }

    /// Runs a command on a connection of its own.
    pub(crate) async fn run_once(
        &self,
        attempt: Attempt<'_>,
        cheap_kex: bool,
        invocation: &Invocation,
        lines: &LineSender,
    ) -> Result<Exit, Failure> {
        let purpose = Purpose::Once { command: &invocation.command };
        let Started { mut ssh, pin } = self.start(attempt, &purpose, cheap_kex).await?;
        let mut beside = Tail::default();
        let ran = once::run(&mut ssh, &self.opening(attempt), invocation, lines, &mut beside).await;
        let log = ssh.log();
        ssh.stop().await;
        let heard = Heard { log: log.borrow().clone(), beside };
        ran.map_err(|trouble| self.failure(attempt, trouble, &heard, pin.as_ref()))
    }

    async fn start(
        &self,
        attempt: Attempt<'_>,
        purpose: &Purpose<'_>,
        cheap_kex: bool,
    ) -> Result<Started, Failure> {
        let way = attempt.way;
        let fault = |problem: String| {
            Failure::local(attempt, &problem, "see the ssh configuration and the fleet file")
        };
        if let Some(path) = &way.ssh_config {
            // ssh passes over an included file that it can't read, without a word.
            File::open(path).map_err(|error| fault(format!("ssh_config {}: {error}", path.display())))?;
        }
        let terms = Terms {
            config: way.ssh_config.as_ref().unwrap_or(&self.user_config),
            known_hosts: way.known_hosts,
            connect_timeout: way.connect_timeout,
            cheap_kex,
        };
        let pin = match &way.host_key {
            Some(key) => {
                Some(self.pins.announced(&self.launcher.dir, key).map_err(|error| fault(error.to_string()))?)
            }
            None => self.pins.get(&way.host).and_then(|pin| pin.file),
        };
        let literal = literal_address(way).await.map_err(fault)?;
        let way = literal.as_ref().unwrap_or(way);
        let wrapper =
            self.wrappers.get(&self.launcher.dir, &terms).map_err(|error| fault(error.to_string()))?;
        let arguments = arguments(way, purpose, pin.as_ref(), self.launcher.version)
            .map_err(|error| fault(error.to_string()))?;
        let piped = matches!(purpose, Purpose::Once { .. });
        let started = self.launcher.start(&wrapper, arguments, piped).await;
        let ssh = started.map_err(|error| fault(format!("ssh can't be started: {error}")))?;
        Ok(Started { ssh, pin })
    }

    fn opening<'a>(&'a self, attempt: Attempt<'a>) -> Opening<'a> {
        Opening { way: attempt.way, pins: &self.pins, dir: &self.launcher.dir, deadline: attempt.deadline }
    }

    fn failure(
        &self,
        attempt: Attempt<'_>,
        trouble: Trouble,
        heard: &Heard,
        pin: Option<&PinFile>,
    ) -> Failure {
        let (log, beside) = (&heard.log, heard.beside.as_str());
        let cause = match trouble {
            Trouble::Failed(cause) => cause,
            Trouble::NotOpened => with_pin(classify(log, beside), pin),
            Trouble::Source(bad) => {
                return Failure::local(attempt, &bad.to_string(), "the command was broken off");
            }
            Trouble::Io(error) => {
                return Failure::local(
                    attempt,
                    &error.to_string(),
                    "see the limits of this machine (ulimit -a)",
                );
            }
        };
        let facts = Facts {
            way: attempt.way,
            log,
            beside,
            after: attempt.started.elapsed(),
            verbose: self.options.verbose,
        };
        let passing = cause == Cause::Kind(ConnectErrorKind::Lost) && log.stage < Stage::Authenticated;
        Failure { error: explain(cause, &facts), passing }
    }
}

impl Failure {
    fn local(attempt: Attempt<'_>, problem: &str, hint: &str) -> Self {
        Self { error: local(attempt.way, problem, hint, attempt.started.elapsed()), passing: false }
    }
}

/// Returns the way with an address of the family that it is bound to, where a jump host would resolve the name and
/// so choose the family.
async fn literal_address(way: &Way) -> Result<Option<Way>, String> {
    let (Some(family), Some(_)) = (way.family, &way.proxy_jump) else { return Ok(None) };
    let name = way.host.as_str();
    let bare = name.rsplit_once('@').map_or(name, |(_, host)| host);
    let name = way.address.as_deref().unwrap_or(bare);
    let found = tokio::net::lookup_host((name, 0)).await.map_err(|error| format!("{name}: {error}"))?;
    let fits = |address: &std::net::SocketAddr| address.is_ipv4() == (family == Family::V4);
    let Some(address) = found.into_iter().find(fits) else {
        let version = if family == Family::V4 { "IPv4" } else { "IPv6" };
        return Err(format!("{name} has no address of {version}"));
    };
    Ok(Some(Way { address: Some(address.ip().to_string()), family: None, ..way.clone() }))
}

/// Reads what a master's helpers say for as long as they live, so that none of them is held up by a full pipe.
fn listen(stderr: ChildStderr) -> JoinHandle<Tail> {
    tokio::spawn(async move {
        let mut reader = BufReader::new(stderr);
        let (mut tail, mut line) = (Tail::default(), Vec::new());
        loop {
            line.clear();
            match (&mut reader).take(64 * 1024).read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => return tail,
                Ok(_) => tail.push(String::from_utf8_lossy(&line).trim_end()),
            }
        }
    })
}
