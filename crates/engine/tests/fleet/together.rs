//! Batches that are confirmed as one, one rule at a time.

use crate::theatre::{RUN, Ran, Theatre, name};
use snapback_core::event::EventKind;
use snapback_core::outcome::{ExitCode, HostResult};
use snapback_core::proof::Proof;
use snapback_core::rollout::{Ending, LEAST_LEFT, Share};
use snapback_engine::record::Records;
use snapback_testkit::simulated::{Fate, Value};
use std::time::Duration;

fn works(hosts: usize) -> Vec<Fate> {
    vec![Fate::Works(1000); hosts]
}

/// A batch of ten in which the fourth has another fate.
fn with_one(fate: Fate) -> Ran {
    let mut fates = works(10);
    fates[3] = fate;
    Theatre::new(fates).together().play()
}

fn told(ran: &Ran, what: impl Fn(&EventKind) -> bool) -> usize {
    ran.events.iter().filter(|event| what(&event.kind)).count()
}

fn is_split(ran: &Ran) -> bool {
    told(ran, |kind| matches!(kind, EventKind::BatchSplit { .. })) > 0
}

fn old(ran: &Ran) -> usize {
    (0..ran.results().len()).filter(|at| ran.truth.value(&name(*at)) == Value::Old).count()
}

#[test]
fn nobody_is_confirmed_before_the_slowest_has_passed_and_then_all_are() {
    let mut fates = works(10);
    fates[6] = Fate::Works(50_000);
    let theatre = Theatre::new(fates).together();
    let ran = theatre.play();
    assert_eq!((ran.code, ran.count(HostResult::Confirmed)), (ExitCode::Good, 10));
    for (host, after) in &ran.truth.confirmed_after {
        let waited = *after > Duration::from_secs(48);
        assert!(waited || *host == name(6), "{host} was confirmed {after:?} after it was ready");
    }
    for (host, left) in &ran.truth.confirmed_with {
        // The first confirmation comes at least this long before any guard: the last ones a moment later.
        assert!(*left > LEAST_LEFT - Duration::from_secs(2), "{host} had {left:?} left");
    }
    assert_eq!(told(&ran, |kind| matches!(kind, EventKind::AwaitingBatch { .. })), 10);
    let record = Records::in_state_dir(theatre.dir.path()).open("shop", None).unwrap();
    assert_eq!((record.promises.len(), record.promises[0].hosts.len()), (1, 10));
    assert!(!is_split(&ran));
}

#[test]
fn hosts_that_wait_longer_than_their_window_are_given_more_time() {
    // Three hosts whose checks, all in a row, take four windows.
    let mut theatre = Theatre::new(vec![Fate::Works(100), Fate::Works(100), Fate::Works(59_000)]).together();
    theatre.connect_parallel = 1;
    let ran = theatre.play();
    assert_eq!(ran.count(HostResult::Confirmed), 3);
    assert!(ran.truth.extensions > 3, "{}", ran.truth.extensions);
}

#[test]
fn a_persons_yes_is_awaited_by_all_and_then_all_are_confirmed_as_one() {
    let mut fates = works(3);
    fates[1] = Fate::Works(20_000);
    let ran = Theatre::new(fates).together().manual(true, Duration::from_secs(15)).play();
    assert_eq!((ran.code, ran.count(HostResult::Confirmed)), (ExitCode::Good, 3));
    assert_eq!(told(&ran, |kind| matches!(kind, EventKind::AwaitingPerson { .. })), 3);
    for (host, after) in &ran.truth.confirmed_after {
        assert!(*after >= Duration::from_secs(15), "{host} was confirmed {after:?} after it was ready");
    }
    assert!(!is_split(&ran));
}

#[test]
fn a_persons_no_undoes_the_whole_batch() {
    let ran = Theatre::new(works(3)).together().manual(false, Duration::from_secs(15)).play();
    assert_eq!((ran.code, ran.count(HostResult::RolledBack), old(&ran)), (ExitCode::Failed, 3, 3));
    assert!(ran.took < Duration::from_secs(30), "it was undone at once: {:?}", ran.took);
}

#[test]
fn one_that_fails_undoes_all_and_is_named() {
    let ran = with_one(Fate::Fails(5000));
    assert_eq!((ran.code, old(&ran)), (ExitCode::Failed, 10));
    assert_eq!(ran.count(HostResult::RolledBack), 10);
    let (cause, state, next) = ran.last_word(7);
    assert_eq!(cause, "h00003, of the same batch, failed: it failed");
    assert!(state.starts_with("the old state is back"), "{state}");
    assert_eq!(next, "mend that, then: deploy retry");
    assert_eq!(ran.last_word(3).0, "it failed");
    assert!(ran.took < Duration::from_secs(20), "the others were undone at once: {:?}", ran.took);
}

#[test]
fn whatever_befalls_one_before_the_first_confirmation_none_is_confirmed() {
    for fate in [Fate::CutOff, Fate::Lost, Fate::GoneWhenReady] {
        let ran = with_one(fate);
        assert_eq!((old(&ran), ran.truth.confirmed_after.len()), (10, 0), "{fate:?}");
        let expected = if fate == Fate::Lost { ExitCode::PersonNeeded } else { ExitCode::Failed };
        assert_eq!(ran.code, expected, "{fate:?}");
        assert!(!is_split(&ran), "{fate:?}");
    }
}

#[test]
fn a_host_that_restarts_while_others_are_waited_for_undoes_all() {
    let mut fates = works(10);
    fates[3] = Fate::Restarts(5000);
    fates[9] = Fate::Works(55_000);
    let ran = Theatre::new(fates).together().play();
    assert_eq!((old(&ran), ran.count(HostResult::RolledBack)), (10, 10));
    assert!(ran.took < Duration::from_secs(30), "nobody waited for the slow one: {:?}", ran.took);
}

#[test]
fn a_host_that_can_not_be_given_more_time_undoes_all() {
    let ran = with_one(Fate::NoMoreTime);
    assert_eq!((ran.code, old(&ran), ran.truth.confirmed_after.len()), (ExitCode::Failed, 10, 0));
    assert!(ran.last_word(3).0.contains("hard_cap"), "{:?}", ran.last_word(3));
    // One that waits longer than it may undoes itself, and with it all others.
    let mut fates = vec![Fate::NoMoreTime, Fate::Works(59_000)];
    fates.extend(works(3));
    let mut theatre = Theatre::new(fates).together();
    theatre.checked = true;
    let ran = theatre.play();
    assert_eq!((old(&ran), ran.count(HostResult::RolledBack)), (5, 5));
}

#[test]
fn a_batch_that_can_not_be_whole_is_not_begun() {
    let ran = with_one(Fate::Unreachable);
    assert_eq!((ran.truth.begun.len(), ran.results()[3]), (0, HostResult::Unreachable));
    assert_eq!(ran.count(HostResult::NotReached), 9);
    assert!(ran.last_word(0).0.starts_with("h00003, of the same batch, failed: h00003 did not answer"));
    // One that refuses when it is begun undoes those that were begun beside it.
    let ran = with_one(Fate::Refuses);
    assert_eq!((old(&ran), ran.results()[3]), (10, HostResult::Refused));
}

#[test]
fn every_probe_gets_in_before_the_first_host_is_confirmed() {
    let mut theatre = Theatre::new(works(5)).together();
    theatre.proof = Proof { probes: 3, ..Proof::default() };
    let ran = theatre.play();
    assert_eq!((ran.count(HostResult::Confirmed), ran.truth.knocks), (5, [10, 0]));
}

#[test]
fn a_host_that_is_as_wanted_takes_no_part() {
    let ran = with_one(Fate::Unchanged);
    assert_eq!(
        (ran.code, ran.count(HostResult::Confirmed), ran.results()[3]),
        (ExitCode::Good, 9, HostResult::Unchanged)
    );
    let mut fates = vec![Fate::Unchanged; 10];
    fates[3] = Fate::Works(100);
    let ran = Theatre::new(fates).together().play();
    assert_eq!((ran.code, ran.count(HostResult::Confirmed)), (ExitCode::Good, 1));
    assert_eq!(ran.truth.extensions, 0, "a host that is alone waits for nobody");
}

#[test]
fn a_failure_inside_the_confirm_step_splits_the_batch_and_every_host_is_named() {
    let ran = with_one(Fate::GoneWhenExtended);
    assert_eq!(ran.code, ExitCode::PersonNeeded);
    assert_eq!((ran.count(HostResult::Confirmed), ran.results()[3]), (9, HostResult::RolledBack));
    let named = ran.events.iter().find_map(|event| match &event.kind {
        EventKind::BatchSplit { batch: 1, hosts } => Some(hosts.clone()),
        _ => None,
    });
    let named = named.expect("the split was told");
    assert_eq!((named.len(), named[&name(3)]), (10, HostResult::RolledBack));
}

#[test]
fn a_batch_that_failed_counts_with_all_its_hosts_and_the_run_goes_on_if_it_may() {
    let mut fates = works(9);
    fates[1] = Fate::Fails(100);
    let third = [Share::Hosts(3)];
    let ran = Theatre::new(fates.clone()).staged(0, &third, 3).together().play();
    assert_eq!((ran.ending(), old(&ran)), (Some(Ending::Complete), 3));
    assert_eq!(ran.count(HostResult::Confirmed), 6);
    let ran = Theatre::new(fates).staged(0, &third, 2).together().play();
    assert_eq!((ran.ending(), ran.code), (Some(Ending::OverBudget), ExitCode::Stopped));
    assert_eq!((ran.count(HostResult::RolledBack), ran.count(HostResult::NotReached)), (3, 6));
}

#[test]
fn hosts_behind_a_jump_host_pass_through_it_in_turns_and_all_are_confirmed() {
    let mut theatre = Theatre::new(works(40)).together();
    theatre.jumps = vec![Some("bastion".to_owned()); 40];
    let ran = theatre.play();
    assert_eq!((ran.code, ran.count(HostResult::Confirmed)), (ExitCode::Good, 40));
    assert!(ran.truth.most_handshakes <= 8, "{}", ran.truth.most_handshakes);
}

#[test]
fn fewer_at_a_time_than_a_batch_has_hosts_block_nobody() {
    let mut theatre = Theatre::new(works(10)).together();
    theatre.parallel = 2;
    let ran = theatre.play();
    assert_eq!((ran.code, ran.count(HostResult::Confirmed)), (ExitCode::Good, 10));
    assert!(ran.events.iter().all(|event| event.run == RUN));
}
