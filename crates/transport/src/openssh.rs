//! Commands over a master's socket. The only file that names the `openssh` crate.
//!
//! The master is a child of ours and not one that the crate starts: those outlive a controller that is killed.

use crate::feed::{BadSource, feed, inspect};
use crate::line_pump::pump;
use crate::seam::{Exit, Invocation, Line, LineSender, RunError, Session};
use crate::ssh::Ssh;
use futures::FutureExt;
use futures::future::BoxFuture;
use openssh::{ChildStderr, ChildStdin, ChildStdout, Error, Stdio};
use std::future::Future;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How many commands run side by side over one connection: sshd's own limit is 10 (`MaxSessions`), and what
/// comes after that would be refused instead of waiting.
const SIDE_BY_SIDE: usize = 8;

/// How long a master whose connection broke may take to end.
const LAST_BREATH: Duration = Duration::from_millis(200);

/// An open connection with a master of its own.
pub(crate) struct MuxSession {
    commands: openssh::Session,
    turns: Semaphore,
    master: Ssh,
    socket: Socket,
}

/// The socket's file, which a killed master leaves behind.
struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        // An error means that the master has removed it.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl MuxSession {
    /// Takes over a master that listens on this socket.
    pub(crate) fn new(master: Ssh, socket: PathBuf) -> Self {
        let commands = openssh::Session::resume_mux(socket.clone().into_boxed_path(), None);
        Self { commands, turns: Semaphore::new(SIDE_BY_SIDE), master, socket: Socket(socket) }
    }

    async fn run_one(&self, invocation: Invocation, lines: LineSender) -> Result<Exit, RunError> {
        inspect(&invocation.stdin).await?;
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await.map_err(|_| RunError::Lost)?;
        let mut command = self.commands.raw_command(&invocation.command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().await.map_err(lost)?;
        let (stdin, stdout, stderr) = (child.stdin().take(), child.stdout().take(), child.stderr().take());
        let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Err(RunError::Lost);
        };
        let pipes = Pipes { stdin, stdout, stderr };
        let ended = pipes.carry(&invocation, &lines, child.wait()).await?;
        self.exit(ended).await
    }

    async fn exit(&self, ended: Result<ExitStatus, Error>) -> Result<Exit, RunError> {
        match ended {
            Ok(status) => Ok(Exit { code: status.code() }),
            // The crate takes every 127 for a program that wasn't found.
            Err(Error::Remote(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Exit { code: Some(127) })
            }
            // Ended by a signal, or cut: the crate can't tell, but a cut master doesn't answer for long.
            Err(Error::RemoteProcessTerminated) if self.is_alive().await => Ok(Exit { code: None }),
            Err(error) => Err(lost(error)),
        }
    }

    async fn is_alive(&self) -> bool {
        if self.commands.check().await.is_err() {
            return false;
        }
        tokio::time::sleep(LAST_BREATH).await;
        self.commands.check().await.is_ok()
    }
}

fn lost(error: Error) -> RunError {
    tracing::debug!(%error, "a command over an open connection ended without an exit status");
    RunError::Lost
}

struct Pipes {
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
}

impl Pipes {
    /// Carries everything both ways until the command has ended and its output has been delivered.
    async fn carry<E>(
        self,
        invocation: &Invocation,
        lines: &LineSender,
        ended: impl Future<Output = E>,
    ) -> Result<E, BadSource> {
        let work = async {
            tokio::join!(
                pump(self.stdout, Line::Out, lines, |_| {}),
                pump(self.stderr, Line::Err, lines, |_| {})
            );
            // Only now: the crate leaves the master as soon as it has the status, and a master that is left
            // throws away the output that comes after it.
            ended.await
        };
        let mut feeding = std::pin::pin!(feed(self.stdin, &invocation.stdin).fuse());
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                fed = &mut feeding => fed?,
                ended = &mut work => return Ok(ended),
            }
        }
    }
}

impl Session for MuxSession {
    fn run(&self, invocation: Invocation, lines: LineSender) -> BoxFuture<'_, Result<Exit, RunError>> {
        self.run_one(invocation, lines).boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            let Self { commands, master, socket, .. } = *self;
            // Only a path is in it: a resumed session ends nothing by itself.
            drop(commands);
            master.stop().await;
            drop(socket);
        }
        .boxed()
    }
}
