//! Random fleets: whatever happens to hosts, these things hold.

use crate::theatre::{Ran, Theatre, name};
use proptest::prelude::*;
use snapback_core::event::EventKind;
use snapback_core::outcome::{ExitCode, HostResult};
use snapback_core::rollout::{Budget, Ending, LEAST_LEFT, Share, Together};
use snapback_engine::record::{Progress, Records};
use snapback_testkit::simulated::{Fate, Value};

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        12 => (0_u64..30_000).prop_map(Fate::Works),
        2 => Just(Fate::Unchanged),
        2 => (0_u64..5000).prop_map(Fate::Fails),
        1 => Just(Fate::Unreachable),
        1 => Just(Fate::Refuses),
        1 => Just(Fate::CutOff),
        1 => Just(Fate::Lost),
    ]
}

/// What the engine may say of a host with this fate, once it was begun.
fn may_end(fate: Fate) -> &'static [HostResult] {
    match fate {
        Fate::Works(_) | Fate::Spoils(_) | Fate::GoneWhenExtended | Fate::NoMoreTime => {
            &[HostResult::Confirmed]
        }
        Fate::Restarts(_) => &[HostResult::Confirmed, HostResult::RolledBack],
        Fate::Unchanged => &[HostResult::Unchanged],
        Fate::Fails(_) | Fate::CutOff | Fate::GoneWhenReady => &[HostResult::RolledBack],
        Fate::Unreachable => &[HostResult::Unreachable],
        Fate::Refuses => &[HostResult::Refused],
        Fate::Lost => &[HostResult::Unknown],
    }
}

/// Fates by which one host of a batch can fail at any time before, during and after the others wait for it.
fn fate_in_a_batch() -> impl Strategy<Value = Fate> {
    prop_oneof![
        60 => (0_u64..55_000).prop_map(Fate::Works),
        6 => Just(Fate::Unchanged),
        2 => (0_u64..5000).prop_map(Fate::Fails),
        1 => Just(Fate::Refuses),
        1 => Just(Fate::CutOff),
        1 => Just(Fate::Lost),
        2 => (0_u64..60_000).prop_map(Fate::Restarts),
        1 => Just(Fate::GoneWhenReady),
        1 => Just(Fate::NoMoreTime),
        4 => Just(Fate::GoneWhenExtended),
    ]
}

/// What holds of each batch whose hosts are confirmed as one.
pub(crate) fn batches_are_whole(theatre: &Theatre, ran: &Ran) -> Result<(), TestCaseError> {
    let results = ran.results();
    let promised: Vec<usize> = match Records::in_state_dir(theatre.dir.path()).open("shop", None) {
        Ok(record) => record.promises.iter().map(|promise| promise.batch).collect(),
        Err(_) => Vec::new(),
    };
    let mut any_split = false;
    for batch in &theatre.course.batches {
        let part: Vec<usize> =
            batch.hosts.iter().copied().filter(|at| results[*at] != HostResult::Unchanged).collect();
        let new: Vec<usize> =
            part.iter().copied().filter(|at| ran.truth.value(&name(*at)) == Value::New).collect();
        let told = ran.events.iter().find_map(|event| match &event.kind {
            EventKind::BatchSplit { batch: n, hosts } if *n == batch.number => Some(hosts.clone()),
            _ => None,
        });
        let is_promised = promised.contains(&batch.number);
        prop_assert!(new.is_empty() || is_promised || part.len() == 1, "batch {batch}: confirmed unpromised");
        let is_split = !new.is_empty() && new.len() < part.len();
        prop_assert_eq!(is_split, told.is_some(), "batch {}: {:?} of {:?}", batch, new, part);
        if let Some(told) = told {
            prop_assert!(part.iter().all(|at| told.get(&name(*at)) == Some(&results[*at])), "all are named");
        }
        any_split |= is_split;
        if is_promised {
            // Every window was long enough when the first was confirmed.
            let first = new.iter().filter_map(|at| ran.truth.confirmed_with.get(&name(*at))).max();
            prop_assert!(first.is_none_or(|left| *left >= LEAST_LEFT), "batch {}: {:?}", batch, first);
        }
        let jobs: Vec<_> = part.iter().map(|at| theatre.job(*at)).collect();
        let times = Together::of(&jobs.iter().collect::<Vec<_>>(), theatre.connect_parallel);
        for (at, armed) in part.iter().filter_map(|at| Some((at, ran.truth.armed_for.get(&name(*at))?))) {
            prop_assert!(*armed <= times.armed_at_most(), "{at} was armed for {armed:?}: {times:?}");
        }
    }
    prop_assert!(!any_split || ran.code == ExitCode::PersonNeeded, "{:?}", ran.code);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_is_confirmed_as_one_or_not_at_all_and_a_split_is_named(
        fates in prop::collection::vec(fate_in_a_batch(), 1..40),
        size in 1_usize..15,
        most in 0_usize..40,
        connect_parallel in 1_usize..20,
    ) {
        let mut theatre = Theatre::new(fates).staged(0, &[Share::Hosts(size)], most).together();
        theatre.connect_parallel = connect_parallel;
        let ran = theatre.play();
        batches_are_whole(&theatre, &ran)?;
        for (at, result) in ran.results().into_iter().enumerate() {
            let new = ran.truth.value(&name(at)) == Value::New;
            prop_assert_eq!(new, result == HostResult::Confirmed, "{} {:?}: {:?}", at, theatre.fates[at], result);
            prop_assert!(ran.truth.is_decided(&name(at)), "{at} is undecided");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn order_budget_truth_and_record_hold(
        fates in prop::collection::vec(fate(), 1..40),
        canary in 0_usize..3,
        size in 1_usize..15,
        most in 0_usize..12,
        parallel in 1_usize..20,
        connect_parallel in 1_usize..10,
    ) {
        let canary = canary.min(fates.len());
        let mut theatre = Theatre::new(fates.clone()).staged(canary, &[Share::Hosts(size)], most);
        theatre.parallel = parallel;
        theatre.connect_parallel = connect_parallel;
        let ran = theatre.play();
        let results = ran.results();
        prop_assert_eq!(results.len(), fates.len());

        // What is said of a host is true.
        for (at, result) in results.iter().enumerate() {
            let begun = ran.truth.begun.contains(&name(at));
            match result {
                HostResult::Confirmed => prop_assert_eq!(ran.truth.value(&name(at)), Value::New),
                HostResult::NotReached => prop_assert!(!begun),
                other => {
                    prop_assert_eq!(ran.truth.value(&name(at)), Value::Old);
                    prop_assert!(may_end(fates[at]).contains(other), "{:?}: {:?}", fates[at], other);
                }
            }
        }

        // Batches come in order: a host of a later one is begun after all of the earlier ones.
        let batch_of = |host: &str| {
            theatre.course.batches.iter().position(|b| b.hosts.iter().any(|at| name(*at) == host)).unwrap()
        };
        let order: Vec<usize> = ran.truth.begun.iter().map(|host| batch_of(host)).collect();
        prop_assert!(order.is_sorted(), "{:?}", order);

        // The budget: what failed beyond it was under way already.
        let failed = results.iter().filter(|result| Budget::counts(**result)).count();
        let over = failed > most;
        if !over {
            prop_assert_eq!(ran.ending().unwrap(), Ending::Complete);
            prop_assert_eq!(ran.count(HostResult::NotReached), 0);
        }
        let looked_at = fates.iter().filter(|f| matches!(f, Fate::Unreachable)).count();
        if looked_at > most {
            prop_assert_eq!(ran.truth.begun.len(), 0);
        } else {
            prop_assert!(failed <= most + parallel, "{} failed of {}, {} at a time", failed, most, parallel);
        }

        // Few handshakes at once, and no more sessions than are at work or kept for the first batch.
        prop_assert!(ran.truth.most_handshakes <= connect_parallel, "{}", ran.truth.most_handshakes);
        let first = theatre.course.batches[0].hosts.len();
        prop_assert!(ran.truth.most_open <= first + parallel, "{}", ran.truth.most_open);

        // The record agrees.
        if !ran.truth.begun.is_empty() {
            let record = Records::in_state_dir(theatre.dir.path()).open("shop", None).unwrap();
            let left = results.iter().filter(|r| !matches!(r, HostResult::Confirmed | HostResult::Unchanged));
            prop_assert_eq!(record.not_done().len(), left.count());
            let finished = matches!(record.progress(), Progress::Finished { .. });
            prop_assert!(finished);
        }
        if ran.count(HostResult::Unknown) > 0 {
            prop_assert_eq!(ran.code, ExitCode::PersonNeeded);
        }
    }
}
