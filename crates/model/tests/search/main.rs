//! A model of all that can happen between two controllers, a line and a target, searched to its end. The controllers
//! are core's `lifecycle::step`; the target's moves are checked against core's table. See `docs/model.md`.
#![allow(clippy::print_stdout, reason = "a test tells how much it has looked at")]

mod checked;
mod controller;
mod faults;
mod forget;
mod promises;
mod reached;
mod rules;
mod target;
mod world;

use checked::{Second, Space};
use forget::Forgets;
use rules::Mutation;
use stateright::{Checker, HasDiscoveries, Model};
use std::time::Instant;

/// What `cargo xtask model` searches besides.
const LARGER: [Space; 8] = [
    space(1, 0, Second::Plain),
    space(2, 1, Second::None),
    space(3, 0, Second::None),
    space(0, 0, Second::Whole),
    space(0, 1, Second::Plain),
    space(1, 1, Second::Plain),
    space(2, 0, Second::Plain),
    space(1, 0, Second::Whole),
];

const fn space(faults: u8, visits: u8, second: Second) -> Space {
    Space { faults, visits, second, wall: false, forgets: Forgets::Yes, broken: None }
}

/// `cargo xtask model`: minutes.
fn is_large() -> bool {
    std::env::var_os("SNAPBACK_MODEL").is_some()
}

/// Searches until all is seen, or until a promise is broken.
fn search(space: Space) -> impl Checker<Space> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let begun = Instant::now();
    let checker =
        space.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let (states, steps, depth) = (checker.unique_state_count(), checker.state_count(), checker.max_depth());
    let took = begun.elapsed().as_secs_f64();
    println!("model: {states} distinct states, {steps} steps, depth {depth}, {took:.1} s: {space:?}");
    checker
}

/// Searches a space to its end: no state in it breaks a promise.
fn keeps_every_promise(space: Space) -> impl Checker<Space> {
    let checker = search(space);
    for promise in promises::PROMISES {
        checker.assert_no_discovery(promise);
    }
    println!("model: whole, and every promise kept");
    checker
}

#[test]
fn a_controller_a_fault_and_a_visit_keep_every_promise() {
    keeps_every_promise(space(1, 1, Second::None)).assert_properties();
}

#[test]
fn two_controllers_keep_every_promise() {
    keeps_every_promise(space(0, 0, Second::Plain)).assert_properties();
}

#[test]
fn further_spaces_keep_every_promise() {
    let always = [space(2, 0, Second::None), Space { wall: true, ..space(1, 0, Second::None) }];
    for space in always.into_iter().chain(LARGER.into_iter().filter(|_| is_large())) {
        keeps_every_promise(space);
    }
}

/// Every world of a space is compared with what forgetting makes of it: the same promises kept, the same sequels.
#[test]
fn what_is_forgotten_does_not_matter() {
    let always = [space(1, 0, Second::None), space(0, 1, Second::None)];
    let larger = [space(1, 1, Second::None), space(2, 0, Second::None), space(0, 0, Second::Plain)];
    for space in always.into_iter().chain(larger.into_iter().filter(|_| is_large())) {
        let checker = search(Space { forgets: Forgets::Compared, ..space });
        checker.assert_no_discovery(promises::NOTHING_THAT_MATTERS);
    }
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
