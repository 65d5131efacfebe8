//! The process level of the fault campaign: whole runs of the engine, in virtual time, against a model of the target
//! and lines that fail. `cargo xtask faults --level process` runs as many as one likes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails panics")]

mod claims;
mod controller;
mod story;

use snapback_testkit::faults::model::Sabotage;
use snapback_testkit::faults::{Bound, Campaign, Case, Rng};
use std::time::Duration;

/// The states in the order of the table.
const STATES: [&str; 8] =
    ["before arming", "locked", "armed", "applying", "applied", "ready", "confirming", "rolling_back"];

#[test]
fn whatever_strikes_what_was_promised_holds() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Campaign::asked_for(("process", threads), Duration::from_secs(6), &STATES, story::play);
}

/// A test of the test: a target that breaks its word does not go unnoticed.
#[test]
fn a_target_that_breaks_its_word_is_found() {
    for sabotage in [Sabotage::NoGuard, Sabotage::HollowConfirm] {
        let tally = Campaign::new("process", 1, Bound::Faults(300), 1)
            .run(|rng, case| story::play_with(rng, case, Some(sabotage)));
        assert!(tally.violations.len() >= 10, "{sabotage:?}: {:?}", tally.violations);
    }
}

#[test]
fn a_seed_repeats_its_case() {
    for seed in 1..=40 {
        let mut cases = [Case::default(), Case::default()];
        for case in &mut cases {
            story::play(&mut Rng::with_seed(seed), case);
        }
        assert_eq!(cases[0], cases[1], "seed {seed}");
    }
}
