//! A model of all that can happen between two controllers, a line and a target, searched to its end. The controllers
//! are core's `lifecycle::step`; the target's moves are checked against core's table. See `docs/model.md`.
#![allow(clippy::print_stdout, reason = "a test tells how much it has looked at")]

mod checked;
mod controller;
mod faults;
mod rules;
mod target;
mod world;

use checked::{Second, Space};
use rules::Mutation;
use stateright::{Checker, HasDiscoveries, Model};
use std::time::Instant;

/// Searches until all is seen, or until a promise is broken.
fn search(space: Space) -> impl Checker<Space> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let begun = Instant::now();
    let checker =
        space.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let (states, steps) = (checker.unique_state_count(), checker.state_count());
    let took = begun.elapsed().as_secs_f64();
    println!("model: {states} distinct states, {steps} steps, {took:.1} s: {space:?}");
    checker
}

fn space(faults: u8, visits: u8, second: Second) -> Space {
    Space { faults, visits, second, wall: false, broken: None }
}

#[test]
fn a_controller_a_fault_and_a_visit_keep_every_promise() {
    let checker = search(space(1, 1, Second::None));
    checker.assert_properties();
    assert!(checker.unique_state_count() >= 1_000_000, "the space has shrunk");
}

#[test]
fn two_controllers_keep_every_promise() {
    search(space(u8::from(is_large()), 0, Second::Plain)).assert_properties();
}

#[test]
fn a_clock_that_is_set_back_or_a_second_fault_breaks_no_promise() {
    let clock = Space { wall: true, ..space(1, 0, Second::None) };
    let checker = search(if is_large() { space(2, 0, Second::None) } else { clock });
    for promise in checked::PROMISES {
        checker.assert_no_discovery(promise);
    }
}

/// `cargo xtask model`: minutes, and some gigabytes.
fn is_large() -> bool {
    std::env::var_os("SNAPBACK_MODEL").is_some()
}

#[test]
fn each_broken_rule_is_caught() {
    let mut missed = Vec::new();
    for broken in rules::ALL {
        let found = caught(broken);
        println!("model: {broken:?} breaks {found:?}");
        if found.is_empty() {
            missed.push(broken);
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

fn caught(broken: Mutation) -> Vec<&'static str> {
    let wall = broken == Mutation::DeadlineOnWallClock;
    let (faults, visits) = match broken {
        Mutation::AnyToken | Mutation::LostToExtendIsTooLate => (0, 1),
        _ => (1, 0),
    };
    let checker = search(Space { wall, broken: Some(broken), ..space(faults, visits, Second::None) });
    let mut found: Vec<_> = checker.discoveries().into_keys().collect();
    found.sort_unstable();
    found
}
