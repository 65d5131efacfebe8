//! What the engine sees of a line to a host.

use futures::future::BoxFuture;
use snapback_core::way::Way;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use zeroize::Zeroizing;

/// Bytes shared between hosts.
pub type Bytes = Arc<[u8]>;

/// A part of what is sent to a command's standard input.
#[derive(Clone, Debug)]
pub enum Piece {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file on the controller, streamed; exactly `len` bytes of it, or the invocation fails.
    File {
        /// The file.
        path: PathBuf,
        /// How many bytes.
        len: u64,
    },
    /// What is sent when it is asked for; the pieces behind it wait until nothing more can come.
    Later(Later),
}

/// Bytes that are overwritten in memory when they are dropped.
pub type Secret = Zeroizing<Vec<u8>>;

/// The receiving end of [`later`].
#[derive(Clone, Debug)]
pub struct Later(pub(crate) Arc<Mutex<mpsc::UnboundedReceiver<Secret>>>);

impl Later {
    /// Waits for the next bytes; `None` when nothing more can come.
    pub async fn next(&self) -> Option<Secret> {
        self.0.lock().await.recv().await
    }
}

/// Makes a piece that is sent later, and the end that says what and when. Dropping that end lets the pieces behind go.
#[must_use]
pub fn later() -> (mpsc::UnboundedSender<Secret>, Piece) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, Piece::Later(Later(Arc::new(Mutex::new(receiver)))))
}

/// A command for the target's login shell, and what it reads.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// One line for any login shell (POSIX, fish, csh): the agent crate has quoted it.
    pub command: String,
    /// Standard input, in order; then end of file.
    pub stdin: Vec<Piece>,
}

/// One line that a command printed, without its newline. Longer ones are cut into pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Standard output.
    Out(Vec<u8>),
    /// Standard error.
    Err(Vec<u8>),
}

/// Where the lines of a command go while it runs.
pub type LineSender = mpsc::Sender<Line>;

/// How a command ended, as far as ssh knows: a cut line can look like any of these, so the agent's end mark is
/// the test and not this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The exit status, if one arrived.
    pub code: Option<i32>,
}

/// A connection that carries several commands, one after another or side by side.
pub trait Session: Send + Sync {
    /// Runs a command and returns when it has ended and its output has been delivered.
    ///
    /// Dropping the future leaves the remote command running.
    fn run(&self, invocation: Invocation, lines: LineSender) -> BoxFuture<'_, Result<Exit, RunError>>;

    /// Closes the connection and waits until nothing of it is left on the controller.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// Opens lines.
pub trait Connector: Send + Sync {
    /// Opens a connection for several commands.
    fn open<'a>(&'a self, way: &'a Way) -> BoxFuture<'a, Result<Box<dyn Session>, ConnectError>>;

    /// Runs one command over a fresh connection of its own, which ends with it.
    ///
    /// `cheap_kex` puts `curve25519-sha256` first in the key exchange unless the user's configuration names one.
    fn once<'a>(
        &'a self,
        way: &'a Way,
        cheap_kex: bool,
        invocation: Invocation,
        lines: LineSender,
    ) -> BoxFuture<'a, Result<Exit, ConnectError>>;
}

/// Why a connection could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectErrorKind {
    /// The host's key isn't known and may not be learnt.
    UnknownHostKey,
    /// The host's key isn't the known one.
    ChangedHostKey,
    /// The host takes none of our keys.
    Auth,
    /// Nothing listens on the port.
    Refused,
    /// No answer in time.
    Timeout,
    /// The name can't be resolved.
    Name,
    /// No route to the host.
    NoRoute,
    /// The connection broke while it was being opened.
    Lost,
    /// The jump host in front of it failed.
    Jump,
    /// The ssh configuration or the ssh program on the controller is at fault.
    Local,
}

/// A connection that could not be opened: what happened, and what to do about it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ConnectError {
    /// Which of the known causes.
    pub kind: ConnectErrorKind,
    /// One sentence, with the host and the way in.
    pub message: String,
    /// What to do, one sentence or a command to paste.
    pub hint: String,
    /// What ssh itself printed, for `-v`.
    pub transcript: String,
    /// How long it took.
    pub after: Duration,
}

/// Why a command over an open connection brought no exit.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RunError {
    /// The connection is gone. What the command did can only be asked over another one.
    #[error("the connection was lost")]
    Lost,
    /// A file that was to be sent could not be read, or is no longer as long as it was.
    #[error("{path}: {reason}", path = path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}
