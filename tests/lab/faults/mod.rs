//! The lab level of the fault campaign: `deploy` itself, against real hosts, struck from all sides.
//! `cargo xtask faults --level lab` runs as many as one likes.

pub(crate) mod fault;
pub(crate) mod play;
pub(crate) mod pool;
pub(crate) mod rest;
pub(crate) mod stricken;

use pool::Pool;
use snapback_testkit::faults::{Campaign, Case, Rng};
use std::time::Duration;

/// The states in the order of the table.
const STATES: [&str; 8] =
    ["before arming", "armed", "applying", "applied", "ready", "confirming", "rolling_back", "boot"];

#[test]
fn whatever_strikes_a_host_is_entirely_old_or_entirely_new() {
    let pool = Pool::boot(4, 4);
    let play = |rng: &mut Rng, case: &mut Case| play::play(&pool, rng, case);
    Campaign::asked_for(("lab", pool.size()), Duration::from_secs(12), &STATES, play);
}
