//! A connector and what a test does with it again and again.

use snapback_core::way::Way;
use snapback_transport::{
    ConnectError, Connector, Exit, Invocation, Line, Piece, RunError, Session, SshConnector, SshOptions,
};
use std::time::Duration;
use tokio::sync::mpsc;

/// Longer than anything here takes on a busy machine; a test that hangs fails instead.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn connector() -> SshConnector {
    connector_with(SshOptions::default())
}

/// A connector that never reads the configuration of whoever runs the tests.
pub(crate) fn connector_with(options: SshOptions) -> SshConnector {
    let user_config = options.user_config.clone().or(Some("/nonexistent/config".into()));
    SshConnector::new(SshOptions { user_config, ..options }).expect("a connector")
}

pub(crate) fn command(command: &str) -> Invocation {
    Invocation { command: command.to_owned(), stdin: Vec::new() }
}

pub(crate) fn command_reading(command: &str, bytes: &[u8]) -> Invocation {
    Invocation { command: command.to_owned(), stdin: vec![Piece::Bytes(bytes.into())] }
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) out: Vec<String>,
    pub(crate) err: Vec<String>,
}

impl Ran {
    fn new(exit: Exit, lines: Vec<Line>) -> Self {
        let mut ran = Self { exit, out: Vec::new(), err: Vec::new() };
        for line in lines {
            match line {
                Line::Out(bytes) => ran.out.push(String::from_utf8(bytes).expect("text")),
                Line::Err(bytes) => ran.err.push(String::from_utf8(bytes).expect("text")),
            }
        }
        ran
    }

    /// The output of a command that must have gone well.
    pub(crate) fn good(self) -> String {
        assert_eq!(self.exit, Exit { code: Some(0) }, "{self:?}");
        self.out.join("\n")
    }
}

async fn collect(mut receiver: mpsc::Receiver<Line>) -> Vec<Line> {
    let mut lines = Vec::new();
    while let Some(line) = receiver.recv().await {
        lines.push(line);
    }
    lines
}

pub(crate) async fn run(session: &dyn Session, invocation: Invocation) -> Result<Ran, RunError> {
    let (sender, receiver) = mpsc::channel(16);
    let both = async { tokio::join!(session.run(invocation, sender), collect(receiver)) };
    let (exit, lines) = tokio::time::timeout(LONG, both).await.expect("the command ends");
    exit.map(|exit| Ran::new(exit, lines))
}

pub(crate) async fn once(
    connector: &SshConnector,
    way: &Way,
    invocation: Invocation,
) -> Result<Ran, ConnectError> {
    let (sender, receiver) = mpsc::channel(16);
    let both = async { tokio::join!(connector.once(way, false, invocation, sender), collect(receiver)) };
    let (exit, lines) = tokio::time::timeout(LONG, both).await.expect("the command ends");
    exit.map(|exit| Ran::new(exit, lines))
}

/// Why opening a session and running a command once both fail: they must agree.
pub(crate) async fn both_fail(connector: &SshConnector, way: &Way) -> ConnectError {
    let opened = connector.open(way).await.err().expect("no session opens");
    let ran = once(connector, way, command("true")).await.expect_err("no command runs");
    assert_eq!(opened.kind, ran.kind, "{opened:?}\n{ran:?}");
    assert_eq!(opened.message, ran.message);
    opened
}
