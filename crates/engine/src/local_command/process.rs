//! A command as a process group of its own: started, bounded in time, and never left behind.

use super::LocalEnv;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use snapback_core::change::Command;
use snapback_core::way::PASSWORD_VARIABLE;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio::time::{sleep, timeout};

/// How long a command may tidy up after SIGTERM before SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(1);

/// How long the last output is waited for once the command has ended. Only a process that left the command's
/// group and still holds its output can use it up.
pub(crate) const DRAIN: Duration = Duration::from_millis(200);

/// How often it is looked whether the group is gone.
const GONE_POLL: Duration = Duration::from_millis(20);

/// The groups of all commands that run now: whoever leaves at once drops nothing, so it has to end them itself.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Kills every command that this process runs on the controller, for a program that leaves at once.
pub fn kill_all() {
    for leader in RUNNING.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        // It can only fail when nobody is left.
        let _ = kill_process_group(*leader, Signal::KILL);
    }
}

/// How a command ended.
pub(crate) enum Ended {
    Exit(ExitStatus),
    Late,
    Untraceable(io::Error),
}

/// Starts the command in a process group of its own, both outputs in one pipe so that their order is kept.
pub(crate) fn start(command: &Command, env: &LocalEnv, stdin: Stdio) -> io::Result<(Child, pipe::Receiver)> {
    let cwd = std::path::absolute(&env.cwd)?;
    let (ours, theirs) = io::pipe()?;
    let output = pipe::Receiver::from_owned_fd(OwnedFd::from(ours))?;
    let child = program(command, &cwd)
        .current_dir(&cwd)
        .env_remove(PASSWORD_VARIABLE)
        .envs(env.vars.iter().map(|(name, value)| (name, value)))
        .stdin(stdin)
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

/// Returns why a command could not be started, and what mends it.
pub(crate) fn cannot_start(command: &Command, env: &LocalEnv, error: &io::Error) -> String {
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
pub(crate) async fn live(mut child: Child, limit: Duration) -> Ended {
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
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).extend(leader);
        Self(leader)
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
        self.forget();
    }

    fn forget(&mut self) {
        if let Some(leader) = self.0.take() {
            RUNNING.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| *other != leader);
        }
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
        self.forget();
    }
}
