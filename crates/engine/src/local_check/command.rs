//! Checks that are commands of the user's.

use super::tail::{Tail, last_line};
use super::{Heard, LocalEnv};
use crate::local_command::{DRAIN, Ended, cannot_start, live, start};
use futures::future::{Either, select};
use snapback_core::change::Command;
use snapback_core::check::Answer;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;
use tokio::time::timeout;

/// Runs a command once.
pub(super) async fn ask(command: &Command, env: &LocalEnv, limit: Duration) -> Heard {
    let (child, output) = match start(command, env, Stdio::null()) {
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
