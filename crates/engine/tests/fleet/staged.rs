//! Staged runs, one rule at a time.

use crate::theatre::{Kill, RUN, Ran, Theatre, WINDOW, name};
use snapback_core::event::EventKind;
use snapback_core::outcome::{ExitCode, HostResult};
use snapback_core::rollout::{Course, Ending, RollbackScope, Share, StopAfter, Unreachable};
use snapback_engine::record::{Progress, Records};
use snapback_engine::rollout::Signal;
use snapback_testkit::simulated::{Fate, Value};
use std::time::Duration;

fn works(hosts: usize) -> Vec<Fate> {
    vec![Fate::Works(1000); hosts]
}

fn begun(ran: &Ran) -> usize {
    ran.truth.begun.len()
}

#[test]
fn batches_follow_each_other_in_order() {
    let ran = Theatre::new(works(10)).staged(1, &[Share::Hosts(4)], 0).play();
    assert_eq!((ran.code, ran.ending()), (ExitCode::Good, Some(Ending::Complete)));
    assert_eq!(ran.count(HostResult::Confirmed), 10);
    let batches: Vec<usize> = ran
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::BatchStarted { hosts, .. } => Some(hosts.len()),
            _ => None,
        })
        .collect();
    assert_eq!(batches, [1, 4, 4, 1]);
    assert_eq!(ran.truth.begun[0], name(0));
    let mut second = ran.truth.begun[1..5].to_vec();
    second.sort();
    assert_eq!(second, (1..5).map(name).collect::<Vec<_>>());
}

#[test]
fn a_canary_that_fails_keeps_all_others_untouched() {
    let mut fates = works(10);
    fates[0] = Fate::Fails(500);
    let ran = Theatre::new(fates).staged(1, &[], 0).play();
    assert_eq!((ran.code, ran.ending()), (ExitCode::Stopped, Some(Ending::OverBudget)));
    assert_eq!((begun(&ran), ran.count(HostResult::NotReached)), (1, 9));
    let (cause, state, next) = ran.last_word(5);
    assert_eq!(cause, "more hosts failed than `max_failures` allows");
    assert_eq!((state.as_str(), next.as_str()), ("untouched", "mend the cause, then: deploy retry"));
}

#[test]
fn a_run_stops_in_the_middle_of_a_batch_once_more_have_failed_than_may() {
    let mut fates = vec![Fate::Fails(100); 100];
    fates[0] = Fate::Works(100);
    let mut theatre = Theatre::new(fates).staged(1, &[], 2);
    theatre.parallel = 3;
    let ran = theatre.play();
    assert_eq!(ran.ending(), Some(Ending::OverBudget));
    assert!(begun(&ran) <= 1 + 2 + 3, "{} were begun", begun(&ran));
    assert!(ran.count(HostResult::RolledBack) > 2);
}

#[test]
fn too_many_unreachable_hosts_stop_a_staged_run_before_the_first_change() {
    let mut fates = works(10);
    fates[7] = Fate::Unreachable;
    let ran = Theatre::new(fates.clone()).staged(1, &[], 0).play();
    assert_eq!((ran.code, ran.ending()), (ExitCode::Unreachable, Some(Ending::OverBudgetBeforeStart)));
    assert_eq!((begun(&ran), ran.count(HostResult::NotReached)), (0, 9));
    let ran = Theatre::new(fates.clone()).staged(1, &[], 1).play();
    assert_eq!((ran.code, begun(&ran)), (ExitCode::Unreachable, 9), "one may fail");
    let ran = Theatre::new(fates).play();
    assert_eq!((ran.code, begun(&ran)), (ExitCode::Unreachable, 9), "a run in one batch goes on");
}

#[test]
fn unreachable_hosts_can_be_left_out() {
    let mut fates = works(10);
    fates[7] = Fate::Unreachable;
    let mut theatre = Theatre::new(fates).staged(1, &[], 0);
    theatre.course = Course { unreachable: Unreachable::Skip, ..theatre.course };
    let ran = theatre.play();
    assert_eq!((ran.code, ran.results()[7]), (ExitCode::Good, HostResult::Skipped));
    let (_, state, _) = ran.last_word(7);
    assert_eq!(state, "untouched: it was left out, since it could not be reached: h00007 did not answer");
}

#[test]
fn unreachable_and_failed_hosts_share_one_budget() {
    let mut fates = works(10);
    fates[9] = Fate::Unreachable;
    fates[0] = Fate::Fails(100);
    let ran = Theatre::new(fates).staged(1, &[], 1).play();
    assert_eq!((ran.code, begun(&ran)), (ExitCode::Stopped, 1));
}

#[test]
fn stopping_after_the_canary_is_good_and_the_next_run_goes_on() {
    let mut theatre = Theatre::new(works(5)).staged(1, &[], 0);
    theatre.course.stop_after = Some(StopAfter::Canary);
    let ran = theatre.play();
    assert_eq!((ran.code, ran.ending(), begun(&ran)), (ExitCode::Good, Some(Ending::AsAsked), 1));
    let mut fates = works(5);
    fates[0] = Fate::Unchanged;
    let mut again = Theatre::new(fates).staged(1, &[], 0);
    again.course.gate = true;
    let ran = again.play();
    assert_eq!(
        (ran.code, ran.ending(), begun(&ran)),
        (ExitCode::Good, Some(Ending::Complete), 4),
        "no gate either"
    );
}

/// Wherever it was killed between the canary's confirmation and the promotion.
#[test]
fn no_crash_of_the_controller_opens_the_gate() {
    let after = |secs| Kill::After(Duration::from_secs(secs));
    for (kill, lost) in [(Kill::Confirmed(1), 1), (Kill::Confirmed(1), 0), (after(100), 0), (after(500), 0)] {
        let mut theatre = Theatre::new(works(5)).staged(1, &[], 0);
        theatre.checked = true;
        theatre.course.bake = Duration::from_secs(300);
        theatre.course.gate = true;
        theatre.course.gate_timeout = Duration::from_secs(600);
        let ran = theatre.play_and_resume(kill, lost);
        let (ending, begun) = (ran.ending(), begun(&ran));
        assert_eq!((ending, begun), (Some(Ending::GateTimedOut), 1), "{kill:?} {lost}");
    }
}

#[test]
fn who_was_killed_before_the_bake_bakes_when_going_on() {
    let mut theatre = Theatre::new(works(4)).staged(1, &[], 0);
    theatre.checked = true;
    theatre.course.bake = Duration::from_secs(300);
    let ran = theatre.play_and_resume(Kill::Confirmed(1), 1);
    assert_eq!((ran.code, begun(&ran)), (ExitCode::Good, 4));
    assert!(ran.took >= Duration::from_secs(300), "{:?}", ran.took);
}

#[test]
fn the_gate_waits_for_a_promotion_and_for_nothing_else() {
    let gated = |signals: Vec<(Duration, Signal)>| {
        let mut theatre = Theatre::new(works(5)).staged(1, &[], 0);
        theatre.course.gate = true;
        theatre.course.gate_timeout = Duration::from_secs(600);
        theatre.signals = signals;
        theatre.play()
    };
    let promoted = gated(vec![(Duration::from_secs(300), Signal::Promote)]);
    assert_eq!((promoted.code, begun(&promoted)), (ExitCode::Good, 5));
    assert!(promoted.took >= Duration::from_secs(300), "{:?}", promoted.took);
    let aborted = gated(vec![(Duration::from_secs(300), Signal::Abort)]);
    assert_eq!(
        (aborted.code, aborted.ending(), begun(&aborted)),
        (ExitCode::Stopped, Some(Ending::Aborted), 1)
    );
    let forgotten = gated(Vec::new());
    assert_eq!((forgotten.code, forgotten.ending()), (ExitCode::Stopped, Some(Ending::GateTimedOut)));
    assert_eq!(
        (begun(&forgotten), forgotten.truth.value("h00000")),
        (1, snapback_testkit::simulated::Value::New)
    );
}

#[test]
fn an_abort_lets_hosts_under_way_finish_and_starts_no_other() {
    let mut theatre = Theatre::new(vec![Fate::Works(20_000); 9]).staged(0, &[Share::Hosts(9)], 0);
    theatre.parallel = 3;
    theatre.signals = vec![(Duration::from_secs(5), Signal::Abort)];
    let ran = theatre.play();
    assert_eq!((ran.code, ran.ending()), (ExitCode::Stopped, Some(Ending::Aborted)));
    assert_eq!((ran.count(HostResult::Confirmed), ran.count(HostResult::NotReached)), (3, 6));
}

#[test]
fn checks_go_on_while_a_batch_bakes() {
    let mut theatre = Theatre::new(works(4)).staged(1, &[], 0);
    theatre.checked = true;
    theatre.course.bake = Duration::from_secs(120);
    let ran = theatre.play();
    assert_eq!((ran.code, begun(&ran)), (ExitCode::Good, 4));
    assert!(ran.took >= Duration::from_secs(120) && ran.took < Duration::from_secs(180), "{:?}", ran.took);
}

#[test]
fn a_check_that_fails_while_baking_counts_as_a_failure_and_says_what_is_there_now() {
    let mut fates = works(4);
    fates[0] = Fate::Spoils(0);
    let mut theatre = Theatre::new(fates).staged(1, &[], 0);
    theatre.checked = true;
    theatre.course.bake = Duration::from_secs(120);
    let ran = theatre.play();
    assert_eq!((ran.code, ran.ending(), begun(&ran)), (ExitCode::Stopped, Some(Ending::OverBudget), 1));
    assert_eq!((ran.results()[0], ran.truth.value("h00000")), (HostResult::RolledBack, Value::Old));
    assert!(ran.took < Duration::from_secs(60), "nobody waits for the rest of the bake: {:?}", ran.took);
    let (cause, state, _) = ran.last_word(0);
    assert_eq!(cause, "check 'shop' failed while baking: it is red now");
    assert!(state.starts_with("the old state is back, verified on the host"), "{state}");
}

#[test]
fn a_bake_that_fails_within_the_budget_undoes_its_host_and_the_run_goes_on() {
    let mut fates = works(6);
    fates[0] = Fate::Spoils(0);
    let mut theatre = Theatre::new(fates).staged(2, &[], 1);
    theatre.checked = true;
    theatre.course.bake = Duration::from_secs(120);
    theatre.course.rollback_scope = RollbackScope::Run;
    let ran = theatre.play();
    assert_eq!((ran.code, ran.ending(), begun(&ran)), (ExitCode::Failed, Some(Ending::Complete), 6));
    assert_eq!((ran.truth.undone.clone(), ran.count(HostResult::Confirmed)), (vec![name(0)], 5));
    assert!(ran.took >= Duration::from_secs(120), "the others bake on: {:?}", ran.took);
}

#[test]
fn a_host_that_cannot_be_undone_after_its_bake_needs_a_person_and_says_what_is_there_now() {
    for (fate, said) in [
        (Fate::Fails(100), "the change is in place: going back was itself undone, verified on the host"),
        (Fate::Refuses, "the change is in place: as it was confirmed, and nothing was armed to undo it"),
        (Fate::CutOff, "the change is in place: going back was itself undone, verified on the host"),
        (Fate::Lost, "not read back. Its guard has put the change back by now"),
    ] {
        let mut theatre = Theatre::new([Fate::Spoils(0), Fate::Works(100)]).staged(1, &[], 0);
        theatre.checked = true;
        theatre.course.bake = Duration::from_secs(120);
        theatre.undo_fates = vec![(0, fate)];
        let ran = theatre.play();
        let result = if fate == Fate::Lost { HostResult::Unknown } else { HostResult::RollbackFailed };
        assert_eq!((ran.code, ran.results()[0]), (ExitCode::PersonNeeded, result), "{fate:?}");
        let (cause, state, next) = ran.last_word(0);
        assert!(
            cause.starts_with("check 'shop' failed while baking: it is red now; undoing it failed: "),
            "{cause}"
        );
        assert!(state.starts_with(said), "{state}");
        assert!(next.ends_with("deploy rollback --to 01RUN --limit h00000"), "{next}");
        assert_eq!(ran.truth.value("h00000"), Value::New, "{fate:?}");
    }
}

#[test]
fn no_progress_for_too_long_starts_no_more_hosts() {
    let mut fates = works(6);
    fates[1] = Fate::CutOff;
    fates[2] = Fate::CutOff;
    let mut theatre = Theatre::new(fates).staged(1, &[], 6);
    theatre.parallel = 2;
    theatre.course.progress_deadline = Some(Duration::from_secs(30));
    let ran = theatre.play();
    assert_eq!((ran.code, ran.ending()), (ExitCode::Stopped, Some(Ending::NoProgress)));
    assert_eq!((begun(&ran), ran.count(HostResult::RolledBack)), (3, 2));
}

#[test]
fn the_record_says_what_is_left() {
    let mut fates = works(6);
    fates[1] = Fate::Fails(100);
    fates[4] = Fate::Unchanged;
    let theatre = Theatre::new(fates).staged(1, &[Share::Hosts(2)], 0);
    let ran = theatre.play();
    assert_eq!(ran.code, ExitCode::Stopped);
    let record = Records::in_state_dir(theatre.dir.path()).open("shop", None).unwrap();
    assert_eq!(record.header.run, RUN);
    let finished = Progress::Finished { exit_code: 6, ending: Some(Ending::OverBudget) };
    assert_eq!(record.progress(), finished);
    let left: Vec<String> = record.not_done().iter().map(ToString::to_string).collect();
    assert_eq!(left, [name(1), name(3), name(5)]);
    assert_eq!(record.events.last().map(|event| event.kind.is_terminal()), Some(true));
}

#[test]
fn twenty_hosts_that_are_cut_off_cost_a_healthy_one_nothing() {
    // All go through one jump host, where handshakes are few.
    let mut fates = vec![Fate::CutOff; 20];
    fates.extend([Fate::Works(2000), Fate::Works(40_000), Fate::Works(55_000)]);
    let mut theatre = Theatre::new(fates);
    theatre.jumps = vec![Some("bastion".to_owned()); 23];
    let ran = theatre.play();
    assert_eq!(ran.count(HostResult::RolledBack), 20);
    assert_eq!(ran.count(HostResult::Confirmed), 3, "{:?}", ran.results());
    for (host, after) in &ran.truth.confirmed_after {
        assert!(*after < WINDOW / 2, "{host} was confirmed {after:?} after it was ready");
    }
    assert!(ran.truth.most_handshakes <= 8, "{}", ran.truth.most_handshakes);
}

#[test]
fn no_more_hosts_are_armed_than_could_be_confirmed_if_all_others_were_cut_off() {
    let mut fates = vec![Fate::Works(50_000); 3];
    fates.extend(vec![Fate::CutOff; 150]);
    let mut theatre = Theatre::new(fates);
    theatre.jumps = vec![Some("bastion".to_owned()); 153];
    theatre.parallel = 200;
    let ran = theatre.play();
    // Two slots at first, then eight a round, in five rounds of ten seconds.
    assert!(ran.truth.most_armed <= 34, "{} were armed at once", ran.truth.most_armed);
    assert_eq!((ran.count(HostResult::Confirmed), ran.count(HostResult::RolledBack)), (3, 150));
}
