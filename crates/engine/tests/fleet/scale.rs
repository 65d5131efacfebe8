//! As many hosts as anybody has.

use crate::random::batches_are_whole;
use crate::theatre::{Theatre, name};
use snapback_core::outcome::{ExitCode, HostResult};
use snapback_core::rollout::{Ending, RollbackScope, Share};
use snapback_testkit::simulated::Fate;
use std::time::Duration;

#[test]
fn ten_thousand_hosts_go_through_in_seconds() {
    let fate = |at: usize| match at % 100 {
        13 => Fate::Fails(3000),
        57 => Fate::Unreachable,
        83 => Fate::Unchanged,
        _ => Fate::Works(1000 + (at as u64 * 37) % 20_000),
    };
    let mut theatre =
        Theatre::new((0..10_000).map(fate)).staged(10, &[Share::Percent(5), Share::Percent(50)], 200);
    theatre.parallel = 500;
    theatre.connect_parallel = 200;
    let began = processor_seconds();
    let ran = theatre.play();
    let took = processor_seconds() - began;
    println!("10,000 hosts: {took} s of the processor, {:?} of the clock that isn't there", ran.took);
    assert_eq!((ran.code, ran.ending()), (ExitCode::Failed, Some(Ending::Complete)));
    assert_eq!((ran.count(HostResult::Confirmed), ran.count(HostResult::RolledBack)), (9700, 100));
    assert_eq!(ran.truth.begun[0], name(0));
    // The first batch keeps its ten; a host of a later one has a session while it is looked at or begun.
    assert!(ran.truth.most_open <= 510, "{} sessions", ran.truth.most_open);
    assert!(took < 60, "{took} s");
    assert!(ran.took < Duration::from_secs(600), "{:?}", ran.took);
}

#[test]
fn ten_thousand_hosts_are_confirmed_batch_by_batch_as_one() {
    // Batches of 500: in every fifth one host fails, in another one can't be confirmed at the last moment.
    let fate = |at: usize| match at % 2500 {
        13 => Fate::Fails(3000),
        1033 => Fate::GoneWhenExtended,
        n if n % 100 == 83 => Fate::Unchanged,
        _ => Fate::Works(1000 + (at as u64 * 37) % 4000),
    };
    let mut theatre = Theatre::new((0..10_000).map(fate)).staged(0, &[Share::Percent(5)], 10_000).together();
    theatre.parallel = 500;
    theatre.connect_parallel = 200;
    let began = processor_seconds();
    let ran = theatre.play();
    let took = processor_seconds() - began;
    println!(
        "10,000 hosts, 500 as one: {took} s of the processor, {:?} of the clock that isn't there",
        ran.took
    );
    assert_eq!((ran.code, ran.ending()), (ExitCode::PersonNeeded, Some(Ending::Complete)));
    batches_are_whole(&theatre, &ran).unwrap();
    // Four of the twenty batches are undone whole, and four are split by one host.
    assert_eq!(
        (ran.count(HostResult::RolledBack), ran.count(HostResult::Confirmed)),
        (4 * 495 + 4, 16 * 495 - 4)
    );
    assert!(took < 60, "{took} s");
}

/// What this test has used of the processor: neither a busy machine nor the tests beside it count.
fn processor_seconds() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    let ticks: u64 = stat
        .rsplit(") ")
        .next()
        .unwrap()
        .split(' ')
        .skip(11)
        .take(2)
        .map(|n| n.parse::<u64>().unwrap())
        .sum();
    ticks / 100
}

#[test]
fn three_thousand_confirmed_hosts_are_undone_as_fast_as_they_were_changed() {
    let fate = |at: usize| if at == 2999 { Fate::Fails(20_000) } else { Fate::Works(1000) };
    let mut theatre = Theatre::new((0..3000).map(fate)).staged(0, &[Share::Percent(100)], 0);
    theatre.course.rollback_scope = RollbackScope::Run;
    theatre.parallel = 500;
    theatre.connect_parallel = 200;
    let ran = theatre.play();
    assert_eq!((ran.code, ran.count(HostResult::RolledBack)), (ExitCode::Failed, 3000));
    assert_eq!(ran.truth.undone.len(), 2999);
    assert!(ran.truth.most_armed <= 500, "{} were armed at once", ran.truth.most_armed);
    assert!(ran.took < Duration::from_secs(90), "{:?}", ran.took);
}
