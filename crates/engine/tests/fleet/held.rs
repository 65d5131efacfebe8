//! Hosts that other runs hold, and two runs that want the same ones.

use crate::theatre::{Part, RUN, Ran, Theatre, name};
use proptest::prelude::*;
use snapback_core::event::EventKind;
use snapback_core::outcome::{ExitCode, HostResult};
use snapback_core::rollout::{Course, Ending, Share};
use snapback_engine::rollout::{Locking, Signal};
use snapback_testkit::simulated::{Fate, Simulated, Value};
use std::future::Future;
use std::time::Duration;

const NOW: Locking = Locking::AtOnce { wait: Duration::ZERO };
const AGREED: Locking = Locking::OnceAgreed { wait: Duration::ZERO };

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn theatre(hosts: usize, locking: Locking) -> Theatre {
    Theatre { locking, ..Theatre::new(vec![Fate::Works(1000); hosts]) }
}

fn play<T>(story: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(story)
}

/// The theatre's run, on hosts of which somebody else holds this one.
fn run_beside(theatre: &Theatre, held: usize, since_and_left: (Duration, Duration)) -> (Ran, Simulated) {
    play(async {
        let hosts = theatre.hosts();
        hosts.lease_elsewhere(&name(held), "01OTHER", since_and_left);
        (theatre.run_on(&hosts, RUN).await, hosts)
    })
}

fn nothing_is_leased(hosts: &Simulated, theatre: &Theatre) {
    let left: Vec<_> =
        (0..theatre.fates.len()).filter(|at| hosts.truth().leased_by(&name(*at)) == Some(RUN)).collect();
    assert!(left.is_empty(), "leases are left on {left:?}");
}

#[test]
fn one_host_that_is_held_keeps_the_whole_batch_from_being_begun() {
    for locking in [NOW, AGREED] {
        let theatre = theatre(5, locking);
        let (ran, hosts) = run_beside(&theatre, 3, (secs(60), secs(100)));
        assert_eq!(ran.code, ExitCode::Locked, "{locking:?}");
        assert_eq!((ran.truth.begun.len(), ran.count(HostResult::NotReached)), (0, 4));
        let (cause, state, next) = ran.last_word(3);
        for part in ["ann@desk is about to change the host with run 01OTHER", "since 6", "ends in 99 s"] {
            assert!(cause.contains(part), "{part} isn't in {cause}");
        }
        assert_eq!(state, "untouched: nothing was armed");
        assert!(next.contains("--lock-wait") && next.contains("deploy unlock"), "{next}");
        assert_eq!(ran.last_word(1).0, "another run holds a host of its batch");
        nothing_is_leased(&hosts, &theatre);
    }
}

/// A run in batches of two; while the first bakes, somebody comes for a host of the second and stays.
fn held_later(locking: Locking, signals: Vec<(Duration, Signal)>) -> Ran {
    let mut theatre = theatre(6, locking).staged(2, &[Share::Hosts(2)], 5);
    theatre.course.bake = secs(30);
    theatre.checked = true;
    theatre.signals = signals;
    let (ran, hosts) = play(async {
        let hosts = theatre.hosts();
        let other = hosts.clone();
        tokio::spawn(async move {
            tokio::time::sleep(secs(20)).await;
            other.lease_elsewhere(&name(3), "01OTHER", (secs(15), secs(900)));
        });
        (theatre.run_on(&hosts, RUN).await, hosts)
    });
    assert_eq!(ran.truth.begun.len(), 2, "the first batch is done, and nothing of the second is begun");
    nothing_is_leased(&hosts, &theatre);
    ran
}

#[test]
fn a_later_batch_stops_the_run_before_its_first_host() {
    let ran = held_later(NOW, Vec::new());
    assert_eq!((ran.code, ran.ending()), (ExitCode::Locked, Some(Ending::Held)));
    assert_eq!((ran.count(HostResult::Confirmed), ran.count(HostResult::NotReached)), (2, 3));
}

#[test]
fn a_run_that_waits_can_be_aborted() {
    let wait = Locking::AtOnce { wait: secs(600) };
    let ran = held_later(wait, vec![(secs(60), Signal::Abort)]);
    assert_eq!((ran.code, ran.ending()), (ExitCode::Stopped, Some(Ending::Aborted)));
    assert!(ran.took < secs(70), "{:?}", ran.took);
}

#[test]
fn what_a_crashed_controller_has_left_runs_out_by_itself() {
    let theatre = theatre(3, Locking::AtOnce { wait: secs(600) });
    let (ran, _) = run_beside(&theatre, 1, (secs(20), secs(250)));
    assert_eq!((ran.code, ran.count(HostResult::Confirmed)), (ExitCode::Good, 3));
    assert!(ran.took >= secs(250) && ran.took < secs(300), "{:?}", ran.took);
    let told: Vec<_> = ran
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::HolderAwaited { owner, run, left, secs } => {
                Some((owner.as_str(), run.as_str(), *left, *secs))
            }
            _ => None,
        })
        .collect();
    assert_eq!((told[0].0, told[0].1, told.len()), ("ann@desk", "01OTHER", 5), "once a minute: {told:?}");
    assert!(told[0].2 > Some(240) && told[0].3 > 590 && told[4].3 < 400, "{told:?}");
}

#[test]
fn waiting_has_an_end() {
    for locking in [Locking::AtOnce { wait: secs(60) }, Locking::OnceAgreed { wait: secs(60) }] {
        let (ran, hosts) = run_beside(&theatre(3, locking), 1, (secs(20), secs(900)));
        assert_eq!((ran.code, ran.truth.begun.len()), (ExitCode::Locked, 0));
        assert!(ran.took >= secs(60) && ran.took < secs(70), "{:?}", ran.took);
        nothing_is_leased(&hosts, &theatre(3, locking));
    }
}

#[test]
fn a_single_host_needs_no_lease_and_waits_all_the_same() {
    let ran = theatre(1, NOW).play();
    assert_eq!((ran.code, ran.truth.leases_taken), (ExitCode::Good, 0));
    let (ran, _) = run_beside(&theatre(1, NOW), 0, (secs(20), secs(100)));
    assert_eq!((ran.code, ran.truth.begun.len()), (ExitCode::Locked, 0));
    let (ran, _) = run_beside(&theatre(1, Locking::OnceAgreed { wait: secs(300) }), 0, (secs(20), secs(100)));
    assert_eq!((ran.code, ran.truth.leases_taken), (ExitCode::Good, 0));
}

#[test]
fn leases_cost_no_connection_and_no_question_where_the_plan_is_agreed_to_already() {
    let without = theatre(30, Locking::Off).play();
    let with = theatre(30, NOW).play();
    assert_eq!((with.code, with.truth.leases_taken), (ExitCode::Good, 30));
    assert_eq!(with.truth.handshakes_made, without.truth.handshakes_made);
    assert_eq!(with.truth.calls, without.truth.calls);
    let agreed = theatre(30, AGREED).play();
    assert_eq!((agreed.code, agreed.truth.leases_taken), (ExitCode::Good, 30));
    assert_eq!(agreed.truth.handshakes_made, without.truth.handshakes_made, "over the lines that are open");
    assert_eq!(agreed.truth.calls, without.truth.calls + 30);
}

#[test]
fn a_lease_lasts_until_its_hosts_turn_however_late_that_is() {
    let mut theatre = Theatre { locking: NOW, ..Theatre::new(vec![Fate::Works(50_000); 40]) };
    theatre.parallel = 1;
    let (ran, stolen) = play(async {
        let hosts = theatre.hosts();
        let other = hosts.clone();
        let watch = tokio::spawn(async move {
            let mut free = 0;
            for _ in 0..180 {
                tokio::time::sleep(secs(10)).await;
                free += usize::from(other.truth().leased_by(&name(39)) != Some(RUN));
            }
            free
        });
        (theatre.run_on(&hosts, RUN).await, watch.await.unwrap())
    });
    assert_eq!((ran.code, ran.count(HostResult::Confirmed)), (ExitCode::Good, 40));
    assert!(ran.took > secs(1900), "{:?}", ran.took);
    assert_eq!(stolen, 0, "for half an hour nobody else could have had the last host");
}

#[test]
fn hosts_that_were_not_begun_are_given_back() {
    let mut fates = vec![Fate::Works(1000); 10];
    fates[0] = Fate::Fails(500);
    let mut theatre = Theatre { locking: NOW, parallel: 1, ..Theatre::new(fates) };
    theatre.course =
        Course { staged: true, budget: snapback_core::rollout::Budget::AtMost(0), ..theatre.course };
    let (ran, hosts) = play(async {
        let hosts = theatre.hosts();
        (theatre.run_on(&hosts, RUN).await, hosts)
    });
    assert_eq!((ran.code, ran.truth.begun.len()), (ExitCode::Stopped, 1));
    nothing_is_leased(&hosts, &theatre);
}

/// Two runs on the same hosts, the second so much later.
fn two(locking: Locking, hosts: usize, later: Duration) -> (Ran, Ran, Simulated) {
    play(async {
        let (first, second) = (theatre(hosts, locking), theatre(hosts, locking));
        let all = first.hosts();
        let (one, two) = tokio::join!(first.run_on(&all, "01AAA"), async {
            tokio::time::sleep(later).await;
            second.run_on(&all, "01BBB").await
        });
        (one, two, all)
    })
}

#[test]
fn of_two_runs_that_start_at_once_one_goes_on_and_the_other_says_whose_it_is() {
    for locking in [NOW, AGREED] {
        for later in [0, 1, 100, 250, 420, 700] {
            let (one, two, hosts) = two(locking, 20, Duration::from_millis(later));
            let by = hosts.truth().begun_by;
            assert!(by.windows(2).all(|pair| pair[0] == pair[1]), "{locking:?} {later}: {by:?}");
            assert_eq!(by.len(), 20, "{locking:?} {later}");
            let mut codes = [one.code, two.code];
            codes.sort_by_key(|code| *code as u8);
            assert_eq!(codes, [ExitCode::Good, ExitCode::Locked], "{locking:?} {later}");
            for at in 0..20 {
                assert_eq!(hosts.truth().leased_by(&name(at)), None, "{locking:?} {later}");
            }
        }
    }
}

#[test]
fn of_two_runs_that_wait_for_each_other_both_come_to_their_turn() {
    let locking = Locking::AtOnce { wait: secs(300) };
    for later in [0, 1, 250, 700] {
        let (one, two, hosts) = two(locking, 20, Duration::from_millis(later));
        assert_eq!((one.code, two.code), (ExitCode::Good, ExitCode::Good), "{later}");
        let by = hosts.truth().begun_by;
        let changes = by.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(by.len() >= 20 && changes <= 1, "{later}: one after the other: {by:?}");
        let new = (0..20).filter(|at| hosts.truth().value(&name(*at)) == Value::New).count();
        assert_eq!(new, 20, "{later}");
    }
}

/// A run of some of the hosts, which begins when others may be at it.
#[derive(Clone, Debug)]
struct Comer {
    after: Duration,
    first: usize,
    hosts: usize,
    wait: bool,
}

fn comer() -> impl Strategy<Value = Comer> {
    (0_u64..3000, 0_usize..6, 2_usize..8, any::<bool>()).prop_map(|(after, first, hosts, wait)| Comer {
        after: Duration::from_millis(after),
        first,
        hosts,
        wait,
    })
}

const IDS: [&str; 4] = ["01AAA", "01BBB", "01CCC", "01DDD"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    /// However several runs meet: each begins all that it would change or nothing, and leaves no lease.
    #[test]
    fn runs_that_meet_begin_all_of_their_hosts_or_none(comers in proptest::collection::vec(comer(), 2..=4)) {
        let (ran, hosts) = play(async {
            let whole = theatre(14, NOW);
            let hosts = whole.hosts();
            let runs = comers.iter().zip(IDS).map(|(comer, id)| {
                let wait = if comer.wait { secs(120) } else { Duration::ZERO };
                let theatre = theatre(14, Locking::AtOnce { wait });
                let part = Part {
                    run: id,
                    hosts: (comer.first..comer.first + comer.hosts).collect(),
                    course: Course::in_one_batch(comer.hosts),
                    kill: crate::theatre::Kill::Never,
                    continues: None,
                };
                let hosts = &hosts;
                async move {
                    tokio::time::sleep(comer.after).await;
                    theatre.perform(hosts, part).await.unwrap()
                }
            });
            (futures::future::join_all(runs).await, hosts)
        });
        for (comer, ran) in comers.iter().zip(&ran) {
            let of = |result| ran.count(result);
            let good = of(HostResult::Confirmed) + of(HostResult::Unchanged);
            if ran.code == ExitCode::Good {
                prop_assert_eq!(good, comer.hosts);
            } else {
                prop_assert_eq!(ran.code, ExitCode::Locked);
                prop_assert_eq!(of(HostResult::Confirmed), 0, "{:?}", ran.results());
            }
        }
        prop_assert!(ran.iter().any(|ran| ran.code == ExitCode::Good), "somebody goes on");
        for at in 0..14 {
            prop_assert!(hosts.truth().leased_by(&name(at)).is_none(), "{at}");
        }
    }
}
