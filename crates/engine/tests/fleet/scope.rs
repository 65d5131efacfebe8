//! `rollback_scope`: what a failure also undoes.

use crate::theatre::{Ran, Theatre, name};
use snapback_core::event::EventKind;
use snapback_core::outcome::{ExitCode, HostResult};
use snapback_core::rollout::{Ending, RollbackScope, Share};
use snapback_testkit::simulated::{Fate, Value};
use std::time::Duration;

/// Batches of 1, 3, 3 and 3; the second host of the third batch fails, the last is as wanted already.
fn theatre(scope: RollbackScope) -> Theatre {
    let mut fates = vec![Fate::Works(100); 10];
    fates[5] = Fate::Fails(5000);
    fates[2] = Fate::Unchanged;
    let mut theatre = Theatre::new(fates).staged(1, &[Share::Hosts(3)], 0);
    theatre.course.rollback_scope = scope;
    theatre
}

fn still_new(ran: &Ran) -> Vec<usize> {
    (0..10).filter(|at| ran.truth.value(&name(*at)) == Value::New).collect()
}

#[test]
fn host_undoes_the_failed_host_alone() {
    let ran = theatre(RollbackScope::Host).play();
    assert_eq!((ran.code, ran.ending()), (ExitCode::Stopped, Some(Ending::OverBudget)));
    assert_eq!((still_new(&ran), ran.truth.undone.len()), (vec![0, 1, 3, 4, 6], 0));
}

#[test]
fn batch_undoes_what_was_confirmed_in_the_failed_hosts_batch() {
    let ran = theatre(RollbackScope::Batch).play();
    assert_eq!((ran.code, still_new(&ran)), (ExitCode::Stopped, vec![0, 1, 3]));
    let (cause, state, next) = ran.last_word(4);
    assert_eq!(cause, "undone because h00005 failed");
    assert_eq!(state, "the old state is back, verified on the host");
    assert_eq!(next, "deploy logs h00004\nmend the cause, then: deploy retry");
    assert_eq!(ran.count(HostResult::RolledBack), 3);
}

#[test]
fn run_undoes_all_that_the_run_has_changed_and_nothing_else() {
    let ran = theatre(RollbackScope::Run).play();
    assert_eq!((ran.code, still_new(&ran)), (ExitCode::Stopped, Vec::new()));
    let mut undone = ran.truth.undone.clone();
    undone.sort();
    assert_eq!(
        undone,
        [0, 1, 3, 4, 6].map(name),
        "neither the unchanged, nor the failed, nor those not reached"
    );
    let told = ran.events.iter().find_map(|event| match &event.kind {
        EventKind::ScopeUndone { because, hosts } => Some((because.to_string(), hosts.len())),
        _ => None,
    });
    assert_eq!(told, Some((name(5), 5)));
    assert_eq!((ran.results()[2], ran.results()[9]), (HostResult::Unchanged, HostResult::NotReached));
}

#[test]
fn a_failure_that_the_budget_allows_undoes_nothing_else() {
    let mut theatre = theatre(RollbackScope::Run);
    theatre.course.budget = snapback_core::rollout::Budget::AtMost(1);
    let ran = theatre.play();
    assert_eq!((ran.code, ran.ending()), (ExitCode::Failed, Some(Ending::Complete)));
    assert_eq!(ran.truth.undone.len(), 0);
}

#[test]
fn a_failed_bake_undoes_its_scope() {
    let mut fates = vec![Fate::Works(100); 6];
    fates[4] = Fate::Spoils;
    let mut theatre = Theatre::new(fates).staged(1, &[Share::Hosts(4)], 0);
    theatre.checked = true;
    theatre.course.bake = Duration::from_secs(60);
    theatre.course.rollback_scope = RollbackScope::Run;
    let ran = theatre.play();
    assert_eq!((ran.code, ran.count(HostResult::RolledBack)), (ExitCode::Stopped, 5));
    assert_eq!(ran.truth.undone[0], name(4), "the failed host goes first");
    assert_eq!(ran.last_word(0).0, "undone because h00004 failed");
}

#[test]
fn an_abort_undoes_nothing() {
    let mut theatre = theatre(RollbackScope::Run);
    theatre.fates = vec![Fate::Works(20_000); 10];
    theatre.signals = vec![(Duration::from_secs(5), snapback_engine::rollout::Signal::Abort)];
    let ran = theatre.play();
    assert_eq!((ran.ending(), ran.truth.undone.len()), (Some(Ending::Aborted), 0));
}

#[test]
fn as_many_are_undone_at_once_as_are_changed_at_once() {
    let mut fates = vec![Fate::Works(100); 40];
    fates[39] = Fate::Fails(5000);
    let mut theatre = Theatre::new(fates).staged(0, &[Share::Hosts(39)], 0);
    theatre.course.rollback_scope = RollbackScope::Run;
    theatre.parallel = 4;
    let ran = theatre.play();
    assert_eq!((ran.truth.undone.len(), ran.code), (39, ExitCode::Failed));
    assert!(ran.truth.most_armed <= 4, "{}", ran.truth.most_armed);
}
