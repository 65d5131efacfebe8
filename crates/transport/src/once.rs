//! One command on a connection of its own: a plain `ssh` child that ends with it.

use crate::explain::Cause;
use crate::feed::feed;
use crate::line_pump::pump;
use crate::opening::{Opening, Trouble};
use crate::seam::{Exit, Invocation, Line, LineSender};
use crate::ssh::Ssh;
use crate::ssh_log::{RemoteEnd, SshLog, Stage};
use crate::tail::Tail;
use futures::FutureExt;
use std::io;
use std::process::ExitStatus;

/// Runs the command that ssh was started with. `beside` takes what ssh's helpers said on standard error.
pub(crate) async fn run(
    ssh: &mut Ssh,
    opening: &Opening<'_>,
    invocation: &Invocation,
    lines: &LineSender,
    beside: &mut Tail,
) -> Result<Exit, Trouble> {
    let mut log = ssh.log();
    let pipes = (ssh.child.stdin.take(), ssh.child.stdout.take(), ssh.child.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(Trouble::Io(io::Error::other("ssh was started without pipes")));
    };
    let lead = async {
        opening.finished(&mut log).await.map_err(Trouble::Failed)?;
        feed(stdin, &invocation.stdin).await.map_err(Trouble::Source)
    };
    let before_command = ssh.log();
    let work = async {
        let (status, (), ()) = tokio::join!(
            ssh.ended(),
            pump(stdout, Line::Out, lines, |_| {}),
            pump(stderr, Line::Err, lines, |line| {
                if before_command.borrow().stage < Stage::Open {
                    beside.push(&String::from_utf8_lossy(line));
                }
            })
        );
        status
    };
    let mut lead = std::pin::pin!(lead.fuse());
    let mut work = std::pin::pin!(work);
    let status = loop {
        tokio::select! {
            led = &mut lead => led?,
            ended = &mut work => break ended.map_err(Trouble::Io)?,
        }
    };
    exit(status, &before_command.borrow())
}

/// ssh's own 255 means as well that the command ended with 255 as that the line was cut: its log tells them apart.
fn exit(status: ExitStatus, log: &SshLog) -> Result<Exit, Trouble> {
    match log.end {
        RemoteEnd::Status => Ok(Exit { code: status.code() }),
        RemoteEnd::Signal => Ok(Exit { code: None }),
        RemoteEnd::Unheard if log.stage == Stage::Open => Err(Trouble::Failed(Cause::Broken)),
        RemoteEnd::Unheard => Err(Trouble::NotOpened),
    }
}
