//! The user's commands on the controller: checks, hooks and local changes.

mod output;
mod process;

pub use process::kill_all;
pub(crate) use process::{DRAIN, Ended, cannot_start, live, start};

use futures::future::{Either, select};
use output::Lines;
use snapback_core::change::Command;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// What commands on the controller run in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalEnv {
    /// The fleet file's folder: the working directory, and what relative files of commands are relative to.
    pub cwd: PathBuf,
    /// Set on top of the controller's own environment: `DEPLOY_HOST`, `VAR_HTTP_PORT` and so on.
    pub vars: Vec<(String, String)>,
}

/// A command that is to be run to its end.
pub(crate) struct Order<'a> {
    pub(crate) command: &'a Command,
    pub(crate) env: &'a LocalEnv,
    /// What it reads; nothing for none.
    pub(crate) stdin: Option<Vec<u8>>,
    /// The longest that it may take; then its whole process group is ended.
    pub(crate) limit: Duration,
}

/// Why a command didn't end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    /// What a person reads, with the last line that it printed.
    pub(crate) why: String,
    /// It ran to its end and said no; otherwise it could not be run, or had to be ended.
    pub(crate) said_no: bool,
}

/// Runs a command; `tell` gets each line that it prints, as printed. Dropping the future kills it at once.
pub(crate) async fn run(order: Order<'_>, tell: &mut (dyn FnMut(&str) + Send)) -> Result<(), Failed> {
    let stdin = if order.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
    let (mut child, output) = match start(order.command, order.env, stdin) {
        Ok(started) => started,
        Err(error) => {
            let why = cannot_start(order.command, order.env, &error);
            return Err(Failed { why, said_no: false });
        }
    };
    if let (Some(text), Some(mut pipe)) = (order.stdin, child.stdin.take()) {
        // Beside it, since it may never read; that it didn't is no failure.
        tokio::spawn(async move { pipe.write_all(&text).await });
    }
    let mut lines = Lines::new(tell);
    let ended = {
        let living = pin!(live(child, order.limit));
        let following = pin!(lines.follow(output));
        match select(living, following).await {
            Either::Left((ended, following)) => {
                let _ = timeout(DRAIN, following).await;
                ended
            }
            Either::Right(((), living)) => living.await,
        }
    };
    judge(&ended, &lines.finish(), order.limit)
}

fn judge(ended: &Ended, last: &str, limit: Duration) -> Result<(), Failed> {
    let with_last = |text: String| if last.is_empty() { text } else { format!("{text}: {last}") };
    match ended {
        Ended::Exit(status) if status.success() => Ok(()),
        Ended::Exit(status) => {
            // By the shell's convention: found but not runnable, and not found.
            let said_no = status.code().is_some_and(|code| !matches!(code, 126 | 127));
            Err(Failed { why: with_last(exit_words(*status)), said_no })
        }
        Ended::Late => {
            Err(Failed { why: with_last(format!("did not end within {limit:?}")), said_no: false })
        }
        Ended::Untraceable(error) => {
            Err(Failed { why: format!("its end could not be read: {error}"), said_no: false })
        }
    }
}

fn exit_words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status.code() {
        Some(code) => format!("exit status {code}"),
        None => format!("killed by signal {}", status.signal().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ran(command: &str, stdin: &str, limit_ms: u64) -> (Result<(), Failed>, Vec<String>) {
        let command = Command::Inline(command.to_owned());
        let env = LocalEnv { cwd: "/".into(), vars: vec![("GREETING".to_owned(), "hello".to_owned())] };
        let limit = Duration::from_millis(limit_ms);
        let mut lines = Vec::new();
        let order = Order { command: &command, env: &env, stdin: Some(stdin.into()), limit };
        let end = run(order, &mut |line| lines.push(line.to_owned())).await;
        (end, lines)
    }

    #[tokio::test]
    async fn it_reads_prints_and_ends() {
        let (end, lines) = ran("cat; echo \"$GREETING\" >&2; printf x", "a\nb\n", 5000).await;
        assert_eq!((end, lines), (Ok(()), ["a", "b", "hello", "x"].map(str::to_owned).to_vec()));
    }

    #[tokio::test]
    async fn what_is_never_read_is_no_failure() {
        let (end, _) = ran("exit 0", &"x".repeat(1 << 20), 5000).await;
        assert_eq!(end, Ok(()));
    }

    #[tokio::test]
    async fn a_failure_names_the_status_and_the_last_line() {
        let (end, _) = ran("echo 'no \x1b[31mway'; exit 3", "", 5000).await;
        assert_eq!(end, Err(Failed { why: "exit status 3: no \\x1b[31mway".to_owned(), said_no: true }));
        let (end, _) = ran("/nowhere/at/all", "", 5000).await;
        assert!(!end.unwrap_err().said_no);
    }

    #[tokio::test]
    async fn its_whole_group_is_ended_at_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let late = dir.path().join("late");
        let (end, _) = ran(&format!("(sleep 3; touch {}) & sleep 9", late.display()), "", 100).await;
        assert_eq!(end.unwrap_err().why, "did not end within 100ms");
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(!late.exists(), "what it had started lived on");
    }
}
