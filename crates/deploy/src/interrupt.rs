//! Signals: once stops starting hosts, twice leaves at once. The guards hold either way.

use crate::faces::complain;
use snapback_core::outcome::ExitCode;
use snapback_engine::run::Halt;
use tokio::signal::unix::{SignalKind, signal};

/// Watches for Ctrl-C and TERM until the process ends.
pub(crate) fn watch(halt: Halt) {
    tokio::spawn(async move {
        let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return;
        };
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => leave("terminated"),
        }
        halt.stop();
        complain(
            "interrupted: no more hosts are started, those under way are finished. Once more leaves at once: each \
             armed host then rolls itself back at its deadline.",
        );
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
        leave("interrupted twice");
    });
}

/// The record was synced before the first host was begun, so nothing is left to write.
fn leave(why: &str) -> ! {
    complain(&format!(
        "{why}: leaving now. Armed hosts roll themselves back at their deadlines; `deploy status` shows them."
    ));
    std::process::exit(i32::from(ExitCode::Interrupted as u8));
}
