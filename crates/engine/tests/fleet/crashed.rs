//! The controller of a batch that is confirmed as one dies; then the deadline comes, or somebody goes on with the run.

use crate::theatre::{Kill, Part, Theatre, name, paused};
use snapback_core::outcome::{ExitCode, HostResult};
use snapback_engine::ask::Asker;
use snapback_engine::record::{Records, RunRecord};
use snapback_engine::settle::{Left, Wish};
use snapback_testkit::simulated::{Fate, Simulated, Value};
use std::sync::Arc;
use std::time::Duration;

const HOSTS: usize = 10;

/// Every point of a commit.
const POINTS: [Kill; 9] = [
    Kill::Waiting(1),
    Kill::Waiting(9),
    Kill::Waiting(10),
    Kill::Extended(1),
    Kill::Extended(9),
    Kill::Extended(10),
    Kill::Promised,
    Kill::Confirmed(1),
    Kill::Confirmed(9),
];

/// What a dead controller has left.
struct Scene {
    theatre: Theatre,
    hosts: Simulated,
}

impl Scene {
    /// A batch of ten whose controller is killed at a point, so many handshakes at a time.
    async fn killed(fates: Vec<Fate>, kill: Kill, at_once: usize) -> Self {
        let mut theatre = Theatre::new(fates).together();
        theatre.connect_parallel = at_once;
        let hosts = theatre.hosts();
        let ran = theatre.perform(&hosts, Part { kill, ..Part::whole(&theatre) }).await;
        assert!(ran.is_none(), "{kill:?} never came");
        let scene = Self { theatre, hosts };
        // Its last lines are on their way to the disk.
        while scene.record().is_running {
            std::thread::yield_now();
        }
        scene
    }

    fn record(&self) -> RunRecord {
        Records::in_state_dir(self.theatre.dir.path()).open("shop", None).unwrap()
    }

    /// As `deploy resume` does it first.
    async fn settle(&self, wish: Wish) -> Vec<Left> {
        let records = Records::in_state_dir(self.theatre.dir.path());
        let asker = Asker { connector: Arc::new(self.hosts.clone()), records, password: None };
        let jobs: Vec<_> = (0..HOSTS).map(|at| self.theatre.job(at)).collect();
        asker.settle_open(&self.record(), &jobs, wish, 1).await
    }

    /// Settles and runs again on what is left; how each host ended then, or that it was done already.
    async fn resume(&self) -> Vec<HostResult> {
        let record = self.record();
        let settled = self.settle(Wish::Keep).await;
        let confirmed: Vec<_> = settled.iter().filter(|l| l.is_confirmed).map(|l| l.host.clone()).collect();
        let is_confirmed = |at: usize| settled.iter().any(|l| l.is_confirmed && l.host.as_str() == name(at));
        let left = record.to_resume();
        let left: Vec<_> =
            left.into_iter().filter(|h| !settled.iter().any(|l| l.is_confirmed && l.host == *h)).collect();
        let hosts: Vec<usize> =
            (0..HOSTS).filter(|at| left.iter().any(|host| host.as_str() == name(*at))).collect();
        let before = record.results();
        let done = (0..HOSTS).map(|at| {
            let told = before.iter().find(|(host, _)| host.as_str() == name(at)).map(|(_, result)| *result);
            if is_confirmed(at) { Some(HostResult::Confirmed) } else { told }
        });
        let mut all: Vec<Option<HostResult>> = done.collect();
        if !hosts.is_empty() {
            let course = record.course_over(&left, &confirmed);
            let (run, hosts_left) = ("02RUN", hosts.clone());
            let part = Part { run, hosts: hosts_left, course, kill: Kill::Never, continues: None };
            let ran = self.theatre.perform(&self.hosts, part).await.unwrap();
            for (at, result) in hosts.into_iter().zip(ran.results()) {
                all[at] = Some(result);
            }
        }
        all.into_iter().map(|result| result.expect("every host has an end")).collect()
    }

    fn undecided(&self) -> usize {
        (0..HOSTS).filter(|at| !self.hosts.truth().is_decided(&name(*at))).count()
    }

    fn changed(&self) -> usize {
        (0..HOSTS).filter(|at| self.hosts.truth().value(&name(*at)) == Value::New).count()
    }
}

fn works() -> Vec<Fate> {
    vec![Fate::Works(1000); HOSTS]
}

#[test]
fn after_the_deadline_none_is_undecided_wherever_the_controller_was_killed() {
    for kill in POINTS {
        paused().block_on(async {
            let scene = Scene::killed(works(), kill, 1).await;
            assert!(scene.undecided() > 0, "{kill:?}");
            tokio::time::sleep(Duration::from_secs(300)).await;
            let confirmed = scene.hosts.truth().confirmed_after.len();
            assert_eq!((scene.undecided(), scene.changed()), (0, confirmed), "{kill:?}");
            let is_split = matches!(kill, Kill::Confirmed(_));
            assert_eq!(confirmed > 0, is_split, "{kill:?}: all or none up to the first confirmation");
        });
    }
}

#[test]
fn going_on_at_once_leaves_none_undecided_and_the_batch_whole_wherever_the_controller_was_killed() {
    for kill in POINTS {
        paused().block_on(async {
            let scene = Scene::killed(works(), kill, 1).await;
            let promised = !scene.record().promises.is_empty();
            assert_eq!(promised, matches!(kill, Kill::Promised | Kill::Confirmed(_)), "{kill:?}");
            let begun = scene.hosts.truth().begun.len();
            let results = scene.resume().await;
            assert_eq!((scene.undecided(), scene.changed()), (0, HOSTS), "{kill:?}");
            assert_eq!(results, [HostResult::Confirmed; HOSTS], "{kill:?}");
            let again = scene.hosts.truth().begun.len() - begun;
            assert_eq!(
                again,
                if promised { 0 } else { HOSTS },
                "{kill:?}: what was promised is kept, not done anew"
            );
        });
    }
}

#[test]
fn going_on_after_the_deadline_makes_a_split_batch_whole_again() {
    for kill in POINTS {
        paused().block_on(async {
            let scene = Scene::killed(works(), kill, 1).await;
            let confirmed = scene.hosts.truth().confirmed_after.len();
            tokio::time::sleep(Duration::from_secs(300)).await;
            let begun = scene.hosts.truth().begun.len();
            assert_eq!(scene.resume().await, [HostResult::Confirmed; HOSTS], "{kill:?}");
            assert_eq!((scene.undecided(), scene.changed()), (0, HOSTS), "{kill:?}");
            assert_eq!(scene.hosts.truth().begun.len() - begun, HOSTS - confirmed, "{kill:?}");
        });
    }
}

#[test]
fn a_promise_that_one_can_not_keep_is_kept_by_nobody_unless_one_has_already() {
    let mut fates = works();
    fates[3] = Fate::GoneWhenExtended;
    for (kill, confirmed) in [(Kill::Promised, 0), (Kill::Confirmed(1), 9)] {
        paused().block_on(async {
            let scene = Scene::killed(fates.clone(), kill, 5).await;
            assert!(scene.hosts.truth().confirmed_after.len() < 9, "{kill:?}: something is left");
            scene.settle(Wish::Keep).await;
            assert_eq!(scene.hosts.truth().confirmed_after.len(), confirmed, "{kill:?}");
            tokio::time::sleep(Duration::from_secs(300)).await;
            assert_eq!((scene.undecided(), scene.changed()), (0, confirmed), "{kill:?}");
        });
    }
}

#[test]
fn whoever_wants_it_undone_has_no_more_confirmed_and_hears_which_are() {
    paused().block_on(async {
        let scene = Scene::killed(works(), Kill::Confirmed(4), 1).await;
        let settled = scene.settle(Wish::Undo).await;
        let known = scene.record().torn();
        assert_eq!((scene.undecided(), scene.changed(), known.len()), (0, 4, 1));
        let confirmed = settled.iter().filter(|left| left.is_confirmed).count() + known[0].confirmed.len();
        assert_eq!(confirmed, 4);
    });
}

/// A run that split its batch, told and finished: these hosts were lost at the last moment.
async fn split(lost: &[usize]) -> Scene {
    let mut fates = works();
    lost.iter().for_each(|at| fates[*at] = Fate::GoneWhenExtended);
    let theatre = Theatre::new(fates).together();
    let hosts = theatre.hosts();
    let ran = theatre.perform(&hosts, Part::whole(&theatre)).await.unwrap();
    assert_eq!(ran.code, ExitCode::PersonNeeded);
    Scene { theatre, hosts }
}

#[test]
fn a_split_that_was_told_is_gone_on_with() {
    paused().block_on(async {
        let scene = split(&[3]).await;
        let record = scene.record();
        assert_eq!((record.torn().len(), record.torn()[0].others.len()), (1, 1));
        assert_eq!(record.to_resume(), [record.header.hosts[3].clone()]);
        assert_eq!(scene.resume().await, [HostResult::Confirmed; HOSTS]);
    });
}

#[test]
fn going_on_that_does_not_make_a_split_batch_whole_tells_it_as_split_again() {
    paused().block_on(async {
        let scene = split(&[3, 4]).await;
        let first = scene.record();
        let left = first.to_resume();
        let part = Part {
            run: "02RUN",
            hosts: vec![3, 4],
            course: first.course_over(&left, &[]),
            kill: Kill::Never,
            continues: None,
        };
        // They are lost once more.
        let ran = scene.theatre.perform(&scene.hosts, part).await.unwrap();
        assert_eq!((ran.code, scene.changed()), (ExitCode::PersonNeeded, 8));
        let torn = scene.record().torn();
        assert_eq!((torn.len(), torn[0].confirmed.len(), torn[0].others.len()), (1, 8, 2));
        assert_eq!(scene.record().to_resume().len(), 2);
    });
}
