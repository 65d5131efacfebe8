//! Lines into the world: a connector for each controller.

use super::fault::LineFault;
use super::verbs::{Call, serve};
use super::world::World;
use futures::FutureExt;
use futures::future::BoxFuture;
use snapback_core::way::Way;
use snapback_transport::{
    ConnectError, ConnectErrorKind, Connector, Exit, Invocation, Line as Text, LineSender, Piece, RunError,
    Session,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// A controller's lines. Clones share their fate.
#[derive(Clone, Debug)]
pub struct Line {
    world: World,
    dead: Arc<AtomicBool>,
}

/// The line is gone.
#[derive(Debug)]
pub(super) struct Gone;

/// Where a call's answer goes, and what happens to it on the way.
pub(super) struct Answer {
    world: World,
    host: String,
    boots: u64,
    dead: Arc<AtomicBool>,
    fault: Option<LineFault>,
    said: u32,
    nonce: String,
    lines: LineSender,
}

impl Line {
    /// Returns the lines of a controller that has just started.
    #[must_use]
    pub fn new(world: &World) -> Self {
        Self { world: world.clone(), dead: Arc::default() }
    }

    /// Kills the controller: all its lines are gone.
    pub fn kill(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Connects, unless a fault is in the way; one that strikes later is returned.
    async fn connect(&self, way: &Way) -> Result<(u64, Option<LineFault>), ConnectError> {
        let host = way.host.to_string();
        if self.is_dead() {
            return Err(error(way, ConnectErrorKind::Local));
        }
        let fault = self.world.draw_fault(&host);
        if let Some(LineFault::NotConnected(kind)) = fault {
            let slow = matches!(kind, ConnectErrorKind::Timeout | ConnectErrorKind::NoRoute);
            tokio::time::sleep(if slow { way.connect_timeout } else { Duration::from_millis(30) }).await;
            return Err(error(way, kind));
        }
        if !self.world.with(&host, |host, _| host.is_up()) {
            tokio::time::sleep(way.connect_timeout).await;
            return Err(error(way, ConnectErrorKind::Timeout));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok((self.world.connection(), fault))
    }

    async fn ask(
        &self,
        way: &Way,
        (connection, opened, boots): (u64, Instant, u64),
        fault: Option<LineFault>,
        (invocation, lines): (Invocation, LineSender),
    ) -> Result<(), Gone> {
        let host = way.host.to_string();
        if fault == Some(LineFault::CutBefore) {
            tokio::time::sleep(Duration::from_millis(40)).await;
            return Err(Gone);
        }
        let stdin = read_all(&invocation.stdin);
        let words: Vec<&str> = invocation.command.split(' ').collect();
        let is_nonce = |word: &&str| word.len() == 16 && word.bytes().all(|b| b.is_ascii_hexdigit());
        let at = words.iter().position(is_nonce).expect("a command of the agent's");
        let mut answer = Answer {
            world: self.world.clone(),
            host,
            boots,
            dead: Arc::clone(&self.dead),
            fault,
            said: 0,
            nonce: words[at].to_owned(),
            lines,
        };
        let call = Call { sent: words[at + 2], words: &words[at + 3..], stdin: &stdin, connection, opened };
        serve(&mut answer, call).await
    }
}

impl Answer {
    pub(super) fn world(&self) -> World {
        self.world.clone()
    }

    pub(super) fn host(&self) -> String {
        self.host.clone()
    }

    /// Says a marked line, if the line still holds.
    pub(super) async fn say(&mut self, text: &str) -> Result<(), Gone> {
        self.hold().await?;
        let line = format!("@snapback:{} {text}", self.nonce);
        self.said += 1;
        self.lines.send(Text::Out(line.into_bytes())).await.map_err(|_| Gone)
    }

    /// Waits until something may have happened on the host, if the line still holds.
    pub(super) async fn wait(&mut self) -> Result<(), Gone> {
        self.world.wait(&self.host).await;
        if self.is_broken() { Err(Gone) } else { Ok(()) }
    }

    async fn hold(&self) -> Result<(), Gone> {
        match self.fault {
            Some(LineFault::CutAfter(lines)) if self.said >= lines => return Err(Gone),
            // Keepalives give it up in the end.
            Some(LineFault::SilentAfter(lines)) if self.said >= lines => {
                tokio::time::sleep(Duration::from_secs(45)).await;
                return Err(Gone);
            }
            Some(LineFault::Late(by)) => tokio::time::sleep(by).await,
            _ => {}
        }
        if self.is_broken() { Err(Gone) } else { Ok(()) }
    }

    fn is_broken(&self) -> bool {
        let boots = self.world.with(&self.host, |host, _| if host.is_up() { host.boots } else { u64::MAX });
        boots != self.boots || self.dead.load(Ordering::Relaxed)
    }
}

fn read_all(pieces: &[Piece]) -> Vec<u8> {
    let mut all = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => all.extend_from_slice(bytes),
            Piece::File { path, .. } => all.extend(std::fs::read(path).unwrap_or_default()),
            // Only a password comes later, and no host of the model asks for one.
            Piece::Later(_) => {}
        }
    }
    all
}

fn error(way: &Way, kind: ConnectErrorKind) -> ConnectError {
    ConnectError {
        kind,
        message: format!("{}: {kind:?}", way.host),
        hint: String::new(),
        transcript: String::new(),
        after: Duration::ZERO,
    }
}

impl Connector for Line {
    fn open<'a>(&'a self, way: &'a Way) -> BoxFuture<'a, Result<Box<dyn Session>, ConnectError>> {
        async move {
            let (connection, fault) = self.connect(way).await?;
            let boots = self.world.with(way.host.as_ref(), |host, _| host.boots);
            let session =
                Kept { line: self.clone(), way: way.clone(), facts: (connection, Instant::now(), boots) };
            // What strikes the opening in its middle has no question to strike yet.
            match fault {
                None | Some(LineFault::Late(_)) => Ok(Box::new(session) as Box<dyn Session>),
                Some(_) => Err(error(way, ConnectErrorKind::Lost)),
            }
        }
        .boxed()
    }

    fn once<'a>(
        &'a self,
        way: &'a Way,
        _cheap_kex: bool,
        invocation: Invocation,
        lines: LineSender,
    ) -> BoxFuture<'a, Result<Exit, ConnectError>> {
        async move {
            let (connection, fault) = self.connect(way).await?;
            let boots = self.world.with(way.host.as_ref(), |host, _| host.boots);
            let facts = (connection, Instant::now(), boots);
            match self.ask(way, facts, fault, (invocation, lines)).await {
                Ok(()) => Ok(Exit { code: Some(0) }),
                Err(Gone) => Err(error(way, ConnectErrorKind::Lost)),
            }
        }
        .boxed()
    }
}

/// A session that carries several calls.
struct Kept {
    line: Line,
    way: Way,
    facts: (u64, Instant, u64),
}

impl Session for Kept {
    fn run(&self, invocation: Invocation, lines: LineSender) -> BoxFuture<'_, Result<Exit, RunError>> {
        async move {
            let fault = self.line.world.draw_fault(self.way.host.as_ref());
            let fault = match fault {
                Some(LineFault::NotConnected(_)) => Some(LineFault::CutBefore),
                other => other,
            };
            let asked = self.line.ask(&self.way, self.facts, fault, (invocation, lines)).await;
            asked.map(|()| Exit { code: Some(0) }).map_err(|Gone| RunError::Lost)
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }
}
