//! A simulated fleet and a run on it.

use futures::FutureExt;
use futures::future::BoxFuture;
use snapback_core::change::{Change, ChangeKind, Command, ScriptChange};
use snapback_core::check::{Check, Pace, Probe, Where};
use snapback_core::deadline::ConfirmPolicy;
use snapback_core::event::{Event, EventKind};
use snapback_core::host::HostName;
use snapback_core::job::{HostJob, RunSpec};
use snapback_core::outcome::{ExitCode, HostResult};
use snapback_core::proof::{Mode, Proof};
use snapback_core::rollout::{Budget, ConfirmScope, Course, Ending, Sequence, Share, sequence};
use snapback_core::way::{Become, KnownHosts, Way, WayKind};
use snapback_engine::person::{Person, Waiting};
use snapback_engine::record::Records;
use snapback_engine::rollout::{Locking, Signal};
use snapback_engine::{Continued, EventReceiver, Run, RunParts, events};
use snapback_testkit::simulated::{Fate, HARD_CAP, Simulated, Truth};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const RUN: &str = "01RUN";

/// The confirm window of every host here.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);

/// Who does what, and how the run goes over them.
pub(crate) struct Theatre {
    pub(crate) fates: Vec<Fate>,
    /// What becomes of hosts that are undone once they are confirmed; the others can be.
    pub(crate) undo_fates: Vec<(usize, Fate)>,
    pub(crate) course: Course,
    pub(crate) parallel: usize,
    pub(crate) connect_parallel: usize,
    /// The jump host of each host; fewer entries: none.
    pub(crate) jumps: Vec<Option<String>>,
    /// What each host must show before it is confirmed.
    pub(crate) proof: Proof,
    /// What a person says, and how long they think about it.
    pub(crate) says: Option<(bool, Duration)>,
    /// Each host has a remote check.
    pub(crate) checked: bool,
    /// Told to the run from outside, each after a time of its own.
    pub(crate) signals: Vec<(Duration, Signal)>,
    pub(crate) locking: Locking,
    /// A person interrupts the first run once so many hosts were begun to be undone.
    pub(crate) interrupted: Option<usize>,
    pub(crate) dir: tempfile::TempDir,
}

/// A moment of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    Never,
    /// So many hosts wait for the others.
    Waiting(usize),
    /// So many were given more time.
    Extended(usize),
    /// It is on disk that all are to be confirmed, and none is.
    Promised,
    /// So many are confirmed.
    Confirmed(usize),
    /// So many were begun to be undone after they were confirmed.
    Undoing(usize),
    /// So much time has passed.
    After(Duration),
}

/// What a run is to do.
pub(crate) struct Part {
    pub(crate) run: &'static str,
    pub(crate) hosts: Vec<usize>,
    pub(crate) course: Course,
    pub(crate) kill: Kill,
    pub(crate) continues: Option<Continued>,
}

impl Part {
    pub(crate) fn whole(theatre: &Theatre) -> Self {
        let hosts = (0..theatre.fates.len()).collect();
        Self { run: RUN, hosts, course: theatre.course.clone(), kill: Kill::Never, continues: None }
    }
}

/// Waits until a run has come so far.
async fn killed(kill: Kill, hosts: &Simulated, receiver: &mut EventReceiver, heard: &mut Vec<Event>) {
    let told = |heard: &[Event], what: fn(&EventKind) -> bool| heard.iter().filter(|e| what(&e.kind)).count();
    let began = tokio::time::Instant::now();
    let step = match kill {
        Kill::Undoing(_) | Kill::After(_) => Duration::from_millis(50),
        _ => Duration::from_millis(5),
    };
    loop {
        let has_come = match kill {
            Kill::Never => false,
            Kill::Waiting(hosts) => told(heard, |e| matches!(e, EventKind::AwaitingBatch { .. })) >= hosts,
            Kill::Extended(times) => hosts.truth().extensions >= times,
            Kill::Promised => told(heard, |e| matches!(e, EventKind::BatchConfirming { .. })) > 0,
            Kill::Confirmed(confirmed) => hosts.truth().confirmed_after.len() >= confirmed,
            Kill::Undoing(undone) => hosts.look(|truth| truth.undone.len() >= undone),
            Kill::After(time) => began.elapsed() >= time,
        };
        if has_come {
            return;
        }
        let event = async {
            match kill {
                Kill::Never => std::future::pending().await,
                _ => receiver.next().await,
            }
        };
        tokio::select! {
            biased;
            Some(event) = event => heard.push(event),
            () = tokio::time::sleep(step), if kill != Kill::Never => {}
        }
    }
}

/// A person who says the same to every question.
struct Says {
    yes: bool,
    after: Duration,
}

impl Person for Says {
    fn ask(&self, waiting: Vec<Waiting>) -> BoxFuture<'_, ()> {
        async move {
            tokio::time::sleep(self.after).await;
            waiting.into_iter().for_each(|host| host.say(self.yes));
        }
        .boxed()
    }
}

/// What a run came to.
pub(crate) struct Ran {
    pub(crate) code: ExitCode,
    pub(crate) truth: Truth,
    pub(crate) events: Vec<Event>,
    pub(crate) took: Duration,
    /// No host has anything open.
    pub(crate) decided: bool,
}

impl Theatre {
    /// Hosts with these fates, in one batch.
    pub(crate) fn new(fates: impl IntoIterator<Item = Fate>) -> Self {
        let fates: Vec<Fate> = fates.into_iter().collect();
        Self {
            course: Course::in_one_batch(fates.len()),
            fates,
            undo_fates: Vec::new(),
            parallel: 50,
            connect_parallel: 20,
            jumps: Vec::new(),
            proof: Proof::default(),
            says: None,
            checked: false,
            signals: Vec::new(),
            locking: Locking::Off,
            interrupted: None,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// A canary of so many hosts, batches of these sizes, and a budget.
    pub(crate) fn staged(mut self, canary: usize, serial: &[Share], most: usize) -> Self {
        let all = self.fates.len();
        let cut = Sequence { canary: (0..canary).collect(), serial: serial.to_vec() };
        let batches = sequence(all, &cut, |_, _| false);
        self.course = Course { batches, staged: true, budget: Budget::AtMost(most), ..self.course };
        self
    }

    /// A person is asked, and says so after a while.
    pub(crate) fn manual(mut self, yes: bool, after: Duration) -> Self {
        self.proof.mode = Mode::Manual;
        self.says = Some((yes, after));
        self
    }

    /// All hosts of a batch are confirmed, or none.
    pub(crate) fn together(mut self) -> Self {
        self.course.confirm_scope = ConfirmScope::Batch;
        self
    }

    /// Runs it with the clock paused: whatever it waits for passes at once.
    pub(crate) fn play(&self) -> Ran {
        paused().block_on(self.run())
    }

    async fn run(&self) -> Ran {
        self.run_on(&self.hosts(), RUN).await
    }

    /// One run of perhaps several on the same hosts.
    pub(crate) async fn run_on(&self, hosts: &Simulated, id: &'static str) -> Ran {
        let part = Part { run: id, ..Part::whole(self) };
        self.perform(hosts, part).await.expect("nobody killed it")
    }

    /// The hosts, before anything has happened to them.
    pub(crate) fn hosts(&self) -> Simulated {
        let names = self.fates.iter().enumerate().map(|(at, fate)| (name(at), *fate));
        let undo = self.undo_fates.iter().map(|(at, fate)| (name(*at), *fate));
        Simulated::with_undo(names, undo, WINDOW)
    }

    /// Performs a run, or a part of it; nothing if it was killed.
    pub(crate) async fn perform(&self, hosts: &Simulated, part: Part) -> Option<Ran> {
        let (sender, mut receiver) = events(part.run);
        let records = Records::in_state_dir(self.dir.path());
        let run = Run::new(RunParts {
            spec: RunSpec { run: part.run.to_owned(), ..self.spec() },
            jobs: part.hosts.iter().map(|at| self.job(*at)).collect(),
            course: part.course,
            vars: Vec::new(),
            continues: part.continues,
            password: None,
            contents: Default::default(),
            dir: self.dir.path().to_owned(),
            connector: Arc::new(hosts.clone()),
            events: sender,
            records: records.clone(),
            texts: false,
            person: self.says.map(|(yes, after)| Arc::new(Says { yes, after }) as Arc<dyn Person>),
            locking: self.locking,
        });
        let began = tokio::time::Instant::now();
        for (after, signal) in self.signals.clone() {
            let signals = records.signals(part.run);
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                signals.send(signal, "me@elsewhere").unwrap();
            });
        }
        if let Some(undoing) = self.interrupted.filter(|_| part.run == RUN) {
            let (halt, hosts) = (run.halt(), hosts.clone());
            tokio::spawn(async move {
                while hosts.look(|truth| truth.undone.len()) < undoing {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                halt.stop();
            });
        }
        let mut heard = Vec::new();
        let code = {
            let applied = async { run.plan().await.apply().await.unwrap() };
            tokio::select! {
                biased;
                () = killed(part.kill, hosts, &mut receiver, &mut heard) => return None,
                code = applied => code,
            }
        };
        let took = began.elapsed();
        while let Some(event) = receiver.next().await {
            heard.push(event);
        }
        Some(Ran { code, truth: hosts.truth(), events: heard, took, decided: self.decided(hosts) })
    }

    pub(crate) fn decided(&self, hosts: &Simulated) -> bool {
        hosts.look(|truth| (0..self.fates.len()).all(|at| truth.is_decided(&name(at))))
    }

    fn spec(&self) -> RunSpec {
        RunSpec {
            run: RUN.to_owned(),
            fleet: "shop".to_owned(),
            owner: "me@here".to_owned(),
            origin: Default::default(),
            comment: String::new(),
            parallel: self.parallel,
            connect_parallel: self.connect_parallel,
            volatile_guard: false,
        }
    }

    pub(crate) fn job(&self, at: usize) -> HostJob {
        let host = HostName::parse(&name(at)).unwrap();
        let way = Way {
            kind: WayKind::Final,
            host: host.clone(),
            address: None,
            port: None,
            user: None,
            identity_file: None,
            proxy_jump: self.jumps.get(at).cloned().flatten(),
            ssh_config: None,
            known_hosts: KnownHosts::Strict,
            connect_timeout: Duration::from_secs(10),
            host_key: None,
            family: None,
        };
        HostJob {
            local: Vec::new(),
            host,
            ways: vec![way],
            r#become: Become::Auto,
            changes: vec![Change { name: "s".to_owned(), kind: ChangeKind::Script(Box::new(script())) }],
            checks: self.checked.then(check).into_iter().collect(),
            confirm: ConfirmPolicy {
                window: WINDOW,
                apply_timeout: Duration::from_secs(60),
                hard_cap: HARD_CAP,
                settle: Duration::ZERO,
                reorder_kex: true,
            },
            proof: self.proof.clone(),
            vars: BTreeMap::new(),
            keep: 5,
            protected: false,
            last_resort: Default::default(),
        }
    }
}

fn script() -> ScriptChange {
    ScriptChange {
        facts: None,
        unless: Some(Command::Inline("false".to_owned())),
        apply: Command::Inline("true".to_owned()),
        rollback: None,
        watch: vec!["/etc/x".to_owned()],
        irreversible: false,
        timeout: Duration::from_secs(5),
    }
}

fn check() -> Check {
    Check {
        name: "shop".to_owned(),
        runs: Where::Remote,
        probe: Probe::Run(Command::Inline("true".to_owned())),
        pace: Pace {
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(2),
            min_healthy_time: Duration::ZERO,
            healthy_deadline: Duration::from_secs(5),
            failure_limit: 0,
        },
        required: true,
        baseline: false,
    }
}

/// A runtime whose clock goes on when nothing else does.
pub(crate) fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// The name of the host at a position.
pub(crate) fn name(at: usize) -> String {
    format!("h{at:05}")
}

impl Ran {
    /// How each host ended, in order.
    pub(crate) fn results(&self) -> Vec<HostResult> {
        let all = self.events.iter().rev().find_map(|event| match &event.kind {
            EventKind::RunFinished { hosts, .. } => Some(hosts.values().copied().collect()),
            _ => None,
        });
        all.expect("the run's end was told")
    }

    pub(crate) fn ending(&self) -> Option<Ending> {
        self.events.iter().find_map(|event| match event.kind {
            EventKind::RolloutEnded { ending, .. } => Some(ending),
            _ => None,
        })
    }

    pub(crate) fn count(&self, result: HostResult) -> usize {
        self.results().iter().filter(|r| **r == result).count()
    }

    /// The last word about a host: cause, state, what to do.
    pub(crate) fn last_word(&self, at: usize) -> (String, String, String) {
        let found = self.events.iter().rev().find_map(|event| match (&event.host, &event.kind) {
            (Some(host), EventKind::HostFinished { cause, state, next, .. }) if host.as_str() == name(at) => {
                Some((cause.clone(), state.clone(), next.clone()))
            }
            _ => None,
        });
        found.expect("the host's end was told")
    }
}
