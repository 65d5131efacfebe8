//! `rollback_scope`: what a failure also undoes.

use crate::theatre::{Kill, Ran, Theatre, name};
use proptest::prelude::*;
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
    fates[4] = Fate::Spoils(0);
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

#[test]
fn a_batch_that_was_to_be_confirmed_as_one_and_was_split_is_wholly_old() {
    let mut fates = vec![Fate::Works(100); 6];
    fates[3] = Fate::GoneWhenExtended;
    let mut theatre = Theatre::new(fates).staged(1, &[Share::Hosts(5)], 0).together();
    theatre.course.rollback_scope = RollbackScope::Batch;
    let ran = theatre.play();
    assert_eq!((ran.code, ran.count(HostResult::RolledBack)), (ExitCode::Failed, 5), "{:?}", ran.results());
    let new: Vec<usize> = (0..6).filter(|at| ran.truth.value(&name(*at)) == Value::New).collect();
    assert_eq!(new, [0], "the canary stays");
    assert_eq!(ran.truth.undone.len(), 4, "it was split");
}

/// Forty hosts, of which the last fails; undoing one takes two seconds, four at a time.
fn forty() -> Theatre {
    let mut fates = vec![Fate::Works(100); 40];
    fates[39] = Fate::Fails(5000);
    let mut theatre = Theatre::new(fates).staged(0, &[Share::Hosts(40)], 0);
    theatre.course.rollback_scope = RollbackScope::Run;
    theatre.parallel = 4;
    theatre.undo_fates = (0..39).map(|at| (at, Fate::Works(2000))).collect();
    theatre
}

#[test]
fn an_interrupt_begins_no_more_undos_and_resume_finishes_them() {
    let mut theatre = forty();
    theatre.interrupted = Some(12);
    let ran = theatre.play();
    assert_eq!(ran.code, ExitCode::Interrupted);
    assert!(ran.count(HostResult::RollbackFailed) > 0, "{:?}", ran.results());
    assert!(ran.count(HostResult::RolledBack) > 1, "{:?}", ran.results());
    let at = ran.results().iter().position(|result| *result == HostResult::RollbackFailed).unwrap();
    let (cause, state, next) = ran.last_word(at);
    assert_eq!(cause, "to be undone because h00039 failed, and interrupted before");
    assert_eq!(state, "the change is in place, as it was confirmed: undoing it was not begun");
    assert_eq!(next, "deploy resume 01RUN");
    theatre.dir = tempfile::tempdir().unwrap();
    let resumed = theatre.play_and_resume(Kill::After(Duration::from_secs(3600)), 0);
    assert_eq!((resumed.code, resumed.decided), (ExitCode::Failed, true));
    assert!((0..40).all(|at| resumed.truth.value(&name(at)) == Value::Old));
}

#[test]
fn a_controller_that_is_killed_while_it_undoes_has_the_rest_undone_by_resume() {
    for lost in [0, 30] {
        let ran = forty().play_and_resume(Kill::Undoing(12), lost);
        assert_eq!((ran.code, ran.decided), (ExitCode::Failed, true), "{:?}", ran.results());
        assert!((0..40).all(|at| ran.truth.value(&name(at)) == Value::Old));
        assert!(ran.truth.undone.len() <= 39 + 4, "only those under way are undone twice");
        assert!(lost > 0 || ran.count(HostResult::RolledBack) < 39, "only the rest: {:?}", ran.results());
    }
}

#[test]
fn a_resumed_run_counts_as_the_same_run() {
    let mut theatre = theatre(RollbackScope::Run);
    theatre.fates[0] = Fate::Works(100);
    theatre.fates[1] = Fate::Works(20_000);
    // Killed while the second batch is under way: the canary is confirmed by then.
    let ran = theatre.play_and_resume(Kill::After(Duration::from_secs(10)), 0);
    assert_eq!((ran.code, ran.ending()), (ExitCode::Stopped, Some(Ending::OverBudget)));
    assert_eq!(still_new(&ran), Vec::<usize>::new());
    assert!(ran.truth.undone.contains(&name(0)), "the canary of the killed run: {:?}", ran.truth.undone);
}

#[test]
fn a_bake_that_was_interrupted_is_repeated_by_resume() {
    let mut theatre = Theatre::new(vec![Fate::Works(100); 4]).staged(1, &[], 0);
    theatre.checked = true;
    theatre.course.bake = Duration::from_secs(300);
    let ran = theatre.play_and_resume(Kill::After(Duration::from_secs(100)), 0);
    assert_eq!((ran.code, ran.count(HostResult::Confirmed)), (ExitCode::Good, 3));
    assert!(ran.took >= Duration::from_secs(300), "{:?}", ran.took);
    theatre.dir = tempfile::tempdir().unwrap();
    theatre.fates[0] = Fate::Spoils(200);
    let ran = theatre.play_and_resume(Kill::After(Duration::from_secs(100)), 0);
    assert_eq!((ran.code, ran.ending()), (ExitCode::Failed, Some(Ending::OverBudgetBeforeStart)));
    assert_eq!((ran.truth.undone.as_slice(), ran.truth.begun.len()), ([name(0)].as_slice(), 1));
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        16 => (0_u64..30_000).prop_map(Fate::Works),
        2 => (0_u64..100).prop_map(Fate::Spoils),
        1 => Just(Fate::Unchanged),
        2 => (0_u64..5000).prop_map(Fate::Fails),
        1 => Just(Fate::Unreachable),
        1 => Just(Fate::Refuses),
        1 => Just(Fate::CutOff),
    ]
}

fn undo_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => (0_u64..20_000).prop_map(Fate::Works),
        1 => (0_u64..5000).prop_map(Fate::Fails),
        1 => Just(Fate::Unreachable),
        1 => Just(Fate::Refuses),
        1 => Just(Fate::CutOff),
        1 => Just(Fate::Lost),
    ]
}

fn scope() -> impl Strategy<Value = RollbackScope> {
    prop_oneof![
        1 => Just(RollbackScope::Host),
        2 => Just(RollbackScope::Batch),
        3 => Just(RollbackScope::Run),
    ]
}

fn kill() -> impl Strategy<Value = Kill> {
    prop_oneof![
        2 => (0_u64..200_000).prop_map(|ms| Kill::After(Duration::from_millis(ms))),
        2 => (1_usize..20).prop_map(Kill::Undoing),
        1 => Just(Kill::After(Duration::from_secs(36_000))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Run, killed somewhere, its record cut, and resumed: what is said of each host is true, and once failures have
    /// stopped the run nothing that the scope covers stays confirmed without being named.
    #[test]
    fn what_the_scope_covers_is_undone_or_named(
        fates in prop::collection::vec((fate(), undo_fate()), 1..30),
        size in 1_usize..10,
        most in 0_usize..4,
        scope in scope(),
        parallel in 1_usize..12,
        killed in kill(),
        lost in 0_usize..40,
    ) {
        let mut theatre = Theatre::new(fates.iter().map(|(fate, _)| *fate)).staged(1, &[Share::Hosts(size)], most);
        theatre.undo_fates = fates.iter().enumerate().map(|(at, (_, undo))| (at, *undo)).collect();
        theatre.course.rollback_scope = scope;
        theatre.course.bake = Duration::from_secs(60);
        (theatre.checked, theatre.parallel) = (true, parallel);
        let ran = theatre.play_and_resume(killed, lost);
        prop_assert!(ran.decided, "a host was left undecided");

        let named = theatre.last_results();
        let new = |at: usize| ran.truth.value(&name(at)) == Value::New;
        for (at, result) in &named {
            match result {
                HostResult::Confirmed => prop_assert!(new(*at), "{at} is told as confirmed"),
                HostResult::RolledBack => prop_assert!(!new(*at), "{at} is told as rolled back"),
                HostResult::NotReached => {
                    prop_assert!(!new(*at), "{at} is told as not reached");
                    prop_assert!(!ran.truth.undone.contains(&name(*at)));
                }
                _ => {}
            }
        }

        // Nothing is undone that the run hasn't changed, nor without a failure that asks for it.
        for host in &ran.truth.undone {
            prop_assert!(ran.truth.begun.contains(host), "{host}");
        }
        let spoiled = |host: &String| {
            matches!(fates[host[1..].parse::<usize>().unwrap()].0, Fate::Spoils(_))
        };
        if scope == RollbackScope::Host {
            prop_assert!(ran.truth.undone.iter().all(spoiled), "{:?}", ran.truth.undone);
        }

        // Once failures have stopped it, nothing that the run has confirmed stays so, or it is named.
        let stopped = matches!(ran.ending(), Some(Ending::OverBudget | Ending::OverBudgetBeforeStart));
        if scope == RollbackScope::Run && stopped {
            for at in (0..fates.len()).filter(|at| new(*at)) {
                let told = named.get(&at);
                let is_named = matches!(told, Some(HostResult::RollbackFailed | HostResult::Unknown));
                prop_assert!(is_named, "{at} stays, and is told as {told:?}");
            }
        }
    }
}
