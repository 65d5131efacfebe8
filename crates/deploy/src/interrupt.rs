//! Signals: once stops starting hosts, twice leaves at once. The guards hold either way.

use crate::faces::complain;
use snapback_core::outcome::ExitCode;
use snapback_engine::rollout::{Halt, Release};
use snapback_render::Armed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Knows whether somebody has interrupted the run.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Waits for the first interrupt.
    pub(crate) async fn heard(&mut self) {
        if self.0.wait_for(|heard| *heard).await.is_err() {
            // Signals can't be listened to, so none will be heard.
            std::future::pending::<()>().await;
        }
    }
}

/// Watches for Ctrl-C and TERM until the process ends.
pub(crate) fn watch(halt: Halt, release: Release, armed: Armed) -> Interrupt {
    let (tell, heard) = watch::channel(false);
    tokio::spawn(async move {
        let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return;
        };
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {
                halt.stop();
                leave("terminated", &release, &armed).await
            }
        }
        halt.stop();
        complain(&format!(
            "interrupted: no more hosts are started, those under way are finished. Once more leaves at once.{}",
            under_way(&armed)
        ));
        // Nobody may be waiting to hear it.
        let _ = tell.send(true);
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
        leave("interrupted twice", &release, &armed).await;
    });
    Interrupt(heard)
}

/// How long leaving at once may take for the sake of others, who wait for hosts that this run has not begun.
const LEAVING: Duration = Duration::from_secs(1);

/// The record was synced before the first host was begun, so nothing is left to write.
async fn leave(why: &str, release: &Release, armed: &Armed) -> ! {
    snapback_engine::local_command::kill_all();
    release.within(LEAVING).await;
    let hosts = under_way(armed);
    let then = if hosts.is_empty() {
        " No host is armed.".to_owned()
    } else {
        format!(
            "{hosts}\n  `deploy status` shows them, `deploy confirm` keeps what one has, `deploy rollback` doesn't wait."
        )
    };
    complain(&format!("{why}: leaving now.{then}"));
    std::process::exit(i32::from(ExitCode::Interrupted as u8));
}

/// The hosts whose guards decide, a line each.
fn under_way(armed: &Armed) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let lines = armed.lines(u64::try_from(now).unwrap_or(u64::MAX));
    lines.iter().map(|line| format!("\n  {line}")).collect()
}
