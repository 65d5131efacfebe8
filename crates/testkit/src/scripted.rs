//! A [`Connector`] whose hosts follow a script: the engine's tests need no ssh.
//!
//! Each host has a list of [`Reply`]s. A command takes the first that fits it; waiting is done with tokio's
//! clock, so a paused one works. A command that nothing fits is a panic that names it.

mod reply;

pub use reply::Reply;

use futures::FutureExt;
use futures::future::BoxFuture;
use reply::{Act, End};
use snapback_core::way::{Way, WayKind};
use snapback_transport::{
    ConnectError, ConnectErrorKind, Connector, Exit, Invocation, LineSender, Piece, RunError, Session,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a host was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The host.
    pub host: String,
    /// The way in.
    pub way: WayKind,
    /// The connection; each has its own number.
    pub connection: u64,
    /// It was a fresh connection for this command alone.
    pub fresh: bool,
    /// The cheaper key exchange was asked for.
    pub cheap_kex: bool,
    /// The command; `None` when a session was opened.
    pub command: Option<String>,
    /// Everything on standard input.
    pub stdin: Vec<u8>,
}

/// The connector. Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Scripted {
    world: Arc<World>,
}

#[derive(Debug, Default)]
struct World {
    replies: Mutex<BTreeMap<String, Vec<Reply>>>,
    asked: Mutex<Vec<Asked>>,
    connections: AtomicU64,
}

impl Scripted {
    /// Returns a connector that knows no host.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a reply to the end of a host's list.
    pub fn add(&self, host: &str, reply: Reply) -> &Self {
        lock(&self.world.replies).entry(host.to_owned()).or_default().push(reply);
        self
    }

    /// Returns everything that was asked, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.world.asked).clone()
    }

    /// Returns the commands that a host was asked, in order.
    #[must_use]
    pub fn commands(&self, host: &str) -> Vec<String> {
        self.asked()
            .into_iter()
            .filter(|asked| asked.host == host)
            .filter_map(|asked| asked.command)
            .collect()
    }

    /// Returns the replies that nobody asked for, those that may be given always left out.
    #[must_use]
    pub fn unused(&self) -> Vec<(String, Reply)> {
        lock(&self.world.replies)
            .iter()
            .flat_map(|(host, replies)| replies.iter().map(move |reply| (host.clone(), reply.clone())))
            .filter(|(_, reply)| !reply.again)
            .collect()
    }
}

impl World {
    /// Writes down what was asked and takes the reply to it.
    fn ask(&self, asked: Asked) -> Option<Reply> {
        let reply = {
            let mut replies = lock(&self.replies);
            let host = replies.entry(asked.host.clone()).or_default();
            host.iter()
                .position(|reply| reply.answers(&asked))
                .map(|at| if host[at].again { host[at].clone() } else { host.remove(at) })
        };
        lock(&self.asked).push(asked);
        reply
    }

    fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn asked(way: &Way, connection: u64) -> Asked {
    Asked {
        host: way.host.to_string(),
        way: way.kind,
        connection,
        fresh: false,
        cheap_kex: false,
        command: None,
        stdin: Vec::new(),
    }
}

/// Takes the reply to a command; there must be one. In its lines `{nonce}` is the command's random word: the first
/// one of sixteen hexadecimal digits.
fn reply_to(world: &World, asked: Asked) -> Reply {
    let what = format!("{} was asked {:?}, and its script has no reply to that", asked.host, asked.command);
    let command = asked.command.clone().unwrap_or_default();
    let is_nonce = |word: &&str| word.len() == 16 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let nonce = command.split(' ').find(is_nonce).unwrap_or_default();
    world.ask(asked).unwrap_or_else(|| panic!("{what}")).with_nonce(nonce)
}

async fn read_all(pieces: &[Piece]) -> Result<Vec<u8>, RunError> {
    let mut all = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => all.extend_from_slice(bytes),
            // A scripted host never asks for a password.
            Piece::Later(_) => {}
            Piece::File { path, .. } => all.extend(
                std::fs::read(path)
                    .map_err(|error| RunError::Source { path: path.clone(), reason: error.to_string() })?,
            ),
        }
    }
    Ok(all)
}

async fn perform(acts: Vec<Act>, lines: &LineSender) {
    for act in acts {
        match act {
            Act::Wait(time) => tokio::time::sleep(time).await,
            // An error means that nobody listens any more.
            Act::Say(line) => drop(lines.send(line).await),
        }
    }
}

fn connect_error(way: &Way, kind: ConnectErrorKind) -> ConnectError {
    ConnectError {
        kind,
        message: format!("{} is scripted to fail with {kind:?}", way.host),
        hint: "change the script".to_owned(),
        transcript: String::new(),
        after: Duration::ZERO,
    }
}

impl Connector for Scripted {
    fn open<'a>(&'a self, way: &'a Way) -> BoxFuture<'a, Result<Box<dyn Session>, ConnectError>> {
        async move {
            let connection = self.world.next_connection();
            if let Some(reply) = self.world.ask(asked(way, connection)) {
                let (lines, _) = tokio::sync::mpsc::channel(1);
                perform(reply.acts, &lines).await;
                match reply.end {
                    End::NotConnected(kind) => return Err(connect_error(way, kind)),
                    End::Lost => return Err(connect_error(way, ConnectErrorKind::Lost)),
                    End::Never => std::future::pending().await,
                    End::Exit(_) => {}
                }
            }
            let session = ScriptedSession { world: Arc::clone(&self.world), way: way.clone(), connection };
            Ok(Box::new(session) as Box<dyn Session>)
        }
        .boxed()
    }

    fn once<'a>(
        &'a self,
        way: &'a Way,
        cheap_kex: bool,
        invocation: Invocation,
        lines: LineSender,
    ) -> BoxFuture<'a, Result<Exit, ConnectError>> {
        async move {
            let stdin = read_all(&invocation.stdin).await.map_err(|error| ConnectError {
                message: error.to_string(),
                ..connect_error(way, ConnectErrorKind::Local)
            })?;
            let asked = Asked {
                fresh: true,
                cheap_kex,
                command: Some(invocation.command),
                stdin,
                ..asked(way, self.world.next_connection())
            };
            let reply = reply_to(&self.world, asked);
            perform(reply.acts, &lines).await;
            match reply.end {
                End::Exit(code) => Ok(Exit { code }),
                End::Lost => Err(connect_error(way, ConnectErrorKind::Lost)),
                End::NotConnected(kind) => Err(connect_error(way, kind)),
                End::Never => std::future::pending().await,
            }
        }
        .boxed()
    }
}

struct ScriptedSession {
    world: Arc<World>,
    way: Way,
    connection: u64,
}

impl Session for ScriptedSession {
    fn run(&self, invocation: Invocation, lines: LineSender) -> BoxFuture<'_, Result<Exit, RunError>> {
        async move {
            let stdin = read_all(&invocation.stdin).await?;
            let asked =
                Asked { command: Some(invocation.command), stdin, ..asked(&self.way, self.connection) };
            let reply = reply_to(&self.world, asked);
            perform(reply.acts, &lines).await;
            match reply.end {
                End::Exit(code) => Ok(Exit { code }),
                End::Lost | End::NotConnected(_) => Err(RunError::Lost),
                End::Never => std::future::pending().await,
            }
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use snapback_core::host::HostName;
    use snapback_core::way::KnownHosts;
    use snapback_transport::Line;
    use tokio::sync::mpsc;
    use tokio::time::Instant;

    fn way(kind: WayKind) -> Way {
        Way {
            kind,
            host: HostName::parse("h").unwrap(),
            address: None,
            port: None,
            user: None,
            identity_file: None,
            proxy_jump: None,
            ssh_config: None,
            known_hosts: KnownHosts::Strict,
            connect_timeout: Duration::from_secs(1),
            host_key: None,
            family: None,
        }
    }

    fn invocation(command: &str) -> Invocation {
        Invocation { command: command.to_owned(), stdin: vec![Piece::Bytes((*b"in").into())] }
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_answers_by_its_script_and_everything_asked_is_written_down() {
        let script = Scripted::new();
        script
            .add("h", Reply::to("begin").out("armed").wait(Duration::from_secs(3600)).err("late").exit(7))
            .add("h", Reply::to("begin").lost())
            .add("h", Reply::to("status").out("ready").always());
        let (lines, mut heard) = mpsc::channel(16);
        let way = way(WayKind::Final);
        let session = script.open(&way).await.unwrap();
        let start = Instant::now();
        assert_eq!(
            session.run(invocation("agent begin"), lines.clone()).await.unwrap(),
            Exit { code: Some(7) }
        );
        assert_eq!(start.elapsed(), Duration::from_secs(3600));
        assert!(matches!(session.run(invocation("agent begin"), lines.clone()).await, Err(RunError::Lost)));
        session.close().await;
        for _ in 0..2 {
            script.once(&way, true, invocation("agent status"), lines.clone()).await.unwrap();
        }
        drop(lines);
        let mut all = Vec::new();
        while let Some(line) = heard.recv().await {
            all.push(line);
        }
        let said = [
            Line::Out("armed".into()),
            Line::Err("late".into()),
            Line::Out("ready".into()),
            Line::Out("ready".into()),
        ];
        assert_eq!(all, said);
        let connections: Vec<_> =
            script.asked().iter().map(|asked| (asked.connection, asked.fresh)).collect();
        assert_eq!(connections, [(0, false), (0, false), (0, false), (1, true), (2, true)]);
        assert_eq!(script.asked()[1].stdin, b"in");
        assert!(script.unused().is_empty());
    }

    #[tokio::test]
    async fn ways_and_openings_can_fail_apart() {
        let script = Scripted::new();
        script.add(
            "h",
            Reply::to_opening().by(WayKind::Final).not_connected(ConnectErrorKind::Refused).always(),
        );
        let error = script.open(&way(WayKind::Final)).await.err().unwrap();
        assert_eq!(error.kind, ConnectErrorKind::Refused);
        assert!(script.open(&way(WayKind::Was)).await.is_ok());
    }

    #[tokio::test]
    #[should_panic(expected = "no reply")]
    async fn a_question_that_the_script_does_not_know_is_a_panic() {
        let (lines, _heard) = mpsc::channel(1);
        let _ = Scripted::new().once(&way(WayKind::Final), false, invocation("surprise"), lines).await;
    }
}
