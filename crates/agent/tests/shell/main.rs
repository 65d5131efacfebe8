//! The agent as it is sent, run by each of the shells that targets have, below a process that is named like sshd.
//! All it touches lies in a temporary directory.
#![allow(clippy::unwrap_used, clippy::print_stderr, unreachable_pub, missing_docs)]

mod barred;
mod confirm;
mod deciders;
mod despite;
mod extend;
mod forks;
mod healing;
mod history;
mod inspect;
mod job;
mod killed;
mod lease;
mod load;
mod lost;
mod metadata;
mod names;
mod private;
mod races;
mod resort;
mod scripts;
mod stalled;
mod struck;
mod swaps;
mod target;
mod theirs;
mod tree;
mod twice;
mod undo;
mod verbs;

/// The interpreters that targets have, as they are called.
const SHELLS: [&str; 4] = ["dash", "busybox sh", "bash --posix", "mksh"];

/// Runs a test under every shell at once and says which of them failed.
fn everywhere(test: impl Fn(&target::Target) + Sync) {
    let test = &test;
    std::thread::scope(|scope| {
        let running: Vec<_> = SHELLS
            .iter()
            .map(|shell| {
                let work = move || test(&target::Target::new(shell));
                (
                    shell,
                    std::thread::Builder::new().name((*shell).to_owned()).spawn_scoped(scope, work).unwrap(),
                )
            })
            .collect();
        let failed: Vec<_> = running
            .into_iter()
            .filter_map(|(shell, thread)| thread.join().is_err().then_some(*shell))
            .collect();
        assert!(failed.is_empty(), "failed under {}", failed.join(", "));
    });
}
