//! Checks that are commands of the user's.

use super::tail::{Tail, last_line};
use super::{Heard, LocalEnv};
use futures::future::{Either, select};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use snapback_core::change::Command;
use snapback_core::check::Answer;
use snapback_core::way::PASSWORD_VARIABLE;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio::time::{sleep, timeout};

/// How long a command may tidy up after SIGTERM before SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(1);

/// How long the last output is waited for once the command has ended. Only a process that left the command's
/// group and still holds its output can use it up.
const DRAIN: Duration = Duration::from_millis(200);

/// How often it is looked whether the group is gone.
const GONE_POLL: Duration = Duration::from_millis(20);

/// How a command ended.
enum Ended {
    Exit(ExitStatus),
    Late,
    Untraceable(io::Error),
}

/// Runs a command once.
pub(super) async fn ask(command: &Command, env: &LocalEnv, limit: Duration) -> Heard {
    let (child, output) = match start(command, env) {
        Ok(started) => started,
        Err(error) => return (Answer::Error(cannot_start(command, env, &error)), Vec::new()),
    };
    let mut tail = Tail::default();
    let ended = {
        let living = pin!(live(child, limit));
        let following = pin!(tail.follow(output));
        match select(living, following).await {
            Either::Left((ended, following)) => {
                let _ = timeout(DRAIN, following).await;
                ended
            }
            Either::Right(((), living)) => living.await,
        }
    };
    let lines = tail.into_lines();
    (judge(&ended, &lines, limit), lines)
}

fn judge(ended: &Ended, lines: &[String], limit: Duration) -> Answer {
    let status = match ended {
        Ended::Exit(status) => status,
        Ended::Late => return Answer::Error(late(lines, limit)),
        Ended::Untraceable(error) => return Answer::Error(format!("its end could not be read: {error}")),
    };
    let reason = |code| last_line(lines).map_or_else(|| format!("exit status {code}"), str::to_owned);
    match status.code() {
        Some(0) => Answer::Passed,
        // By the shell's convention: found but not runnable, and not found.
        Some(code @ (126 | 127)) => Answer::Error(reason(code)),
        Some(code) => Answer::Failed(reason(code)),
        None => Answer::Failed(format!("killed by signal {}", status.signal().unwrap_or_default())),
    }
}

/// What it said before its time was up is often what it waited for.
fn late(lines: &[String], limit: Duration) -> String {
    let last = last_line(lines).map(|line| format!(": {line}")).unwrap_or_default();
    format!("did not end within {limit:?}{last}")
}

/// Starts the command in a process group of its own, both outputs in one pipe so that their order is kept.
fn start(command: &Command, env: &LocalEnv) -> io::Result<(Child, pipe::Receiver)> {
    let cwd = std::path::absolute(&env.cwd)?;
    let (ours, theirs) = io::pipe()?;
    let output = pipe::Receiver::from_owned_fd(OwnedFd::from(ours))?;
    let child = program(command, &cwd)
        .current_dir(&cwd)
        .env_remove(PASSWORD_VARIABLE)
        .envs(env.vars.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(theirs.try_clone()?)
        .stderr(theirs)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    Ok((child, output))
}

fn program(command: &Command, cwd: &Path) -> tokio::process::Command {
    match command {
        Command::Inline(text) => {
            let mut shell = tokio::process::Command::new("/bin/sh");
            // A text that begins with `-` must not be read as options.
            shell.args(["-e", "-c", "--", text]);
            shell
        }
        Command::File { path, .. } => tokio::process::Command::new(cwd.join(path)),
    }
}

fn cannot_start(command: &Command, env: &LocalEnv, error: &io::Error) -> String {
    let what = match command {
        Command::Inline(_) => "/bin/sh".to_owned(),
        Command::File { path, .. } => path.display().to_string(),
    };
    let hint = match error.kind() {
        io::ErrorKind::NotFound if !env.cwd.is_dir() => {
            format!(": the folder {} isn't there", env.cwd.display())
        }
        io::ErrorKind::NotFound => ": is it there, and the interpreter in its first line?".to_owned(),
        io::ErrorKind::PermissionDenied => ": make it executable (chmod +x)".to_owned(),
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            ": its first line must name an interpreter, e.g. #!/bin/sh".to_owned()
        }
        _ => String::new(),
    };
    format!("could not start {what}: {error}{hint}")
}

/// Waits until the command ends or is late, then sees to it that nothing of its group lives on.
async fn live(mut child: Child, limit: Duration) -> Ended {
    let mut group = Group::of(&child);
    let ended = match timeout(limit, child.wait()).await {
        Ok(Ok(status)) => Ended::Exit(status),
        Ok(Err(error)) => Ended::Untraceable(error),
        Err(_) => Ended::Late,
    };
    group.end(&mut child).await;
    ended
}

/// The process group of a running command; empty once it has been seen to its end, because the number may then
/// become another group's. Dropping it kills what is left.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// Ends what is left of the group and reaps its leader.
    async fn end(&mut self, child: &mut Child) {
        self.send(Signal::TERM);
        let going = async {
            let _ = child.wait().await;
            while self.is_there() {
                sleep(GONE_POLL).await;
            }
        };
        if timeout(TERM_GRACE, going).await.is_err() {
            self.send(Signal::KILL);
            // Even SIGKILL waits for a process stuck in the kernel; the runtime reaps that one later.
            let _ = timeout(TERM_GRACE, child.wait()).await;
        }
        self.0 = None;
    }

    fn send(&self, signal: Signal) {
        if let Some(leader) = self.0 {
            // It can only fail when nobody is left.
            let _ = kill_process_group(leader, signal);
        }
    }

    fn is_there(&self) -> bool {
        self.0.is_some_and(|leader| test_kill_process_group(leader) != Err(rustix::io::Errno::SRCH))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.send(Signal::KILL);
    }
}
