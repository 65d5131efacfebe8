//! The shell level of the fault campaign: the real agent under the shells that targets have, killed, stopped, starved
//! and tampered with. `cargo xtask faults --level shell` runs as many as one likes.
#![allow(clippy::unwrap_used, clippy::print_stderr, unreachable_pub, missing_docs)]

mod disk;
mod fault;
#[path = "../shell/job.rs"]
#[allow(dead_code, reason = "what the other tests need besides")]
mod job;
mod play;
mod rest;
mod stage;
#[path = "../shell/target.rs"]
#[allow(dead_code, reason = "what the other tests need besides")]
mod target;

use snapback_testkit::faults::Campaign;
use std::time::Duration;

/// The states in the order of the table.
const STATES: [&str; 8] =
    ["before arming", "armed", "applying", "applied", "ready", "confirming", "rolling_back", "boot"];

/// Most of a case is waiting for the guard.
const CASES_AT_ONCE: usize = 14;

#[test]
fn whatever_strikes_a_target_is_entirely_old_or_entirely_new() {
    Campaign::asked_for(("shell", CASES_AT_ONCE), Duration::from_secs(12), &STATES, play::play);
}
