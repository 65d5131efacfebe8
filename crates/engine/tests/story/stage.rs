//! One scripted host and a run on it.

use futures::FutureExt;
use futures::future::BoxFuture;
use snapback_core::change::{Change, ChangeKind, Command, ScriptChange};
use snapback_core::check::{Check, Pace, Probe, Where};
use snapback_core::deadline::ConfirmPolicy;
use snapback_core::event::{Event, EventKind};
use snapback_core::host::HostName;
use snapback_core::job::{HostJob, RunSpec};
use snapback_core::local_change::LocalChange;
use snapback_core::outcome::{ExitCode, HostResult};
use snapback_core::proof::Proof;
use snapback_core::rollout::{Budget, Course, Sequence, sequence};
use snapback_core::way::{Become, KnownHosts, Way, WayKind};
use snapback_engine::ask::{Asker, Failure, Settled};
use snapback_engine::person::{Person, Waiting};
use snapback_engine::record::Records;
use snapback_engine::{Run, RunParts, events};
use snapback_testkit::scripted::{Asked, Reply, Scripted};
use snapback_transport::ConnectErrorKind;
use std::sync::Arc;
use std::time::Duration;

/// The run's id on this stage.
pub(crate) const RUN: &str = "01RUN";

const HOST: &str = "web1";

const SECOND: &str = "web2";

pub(crate) struct Stage {
    scripted: Scripted,
    dir: tempfile::TempDir,
    proof: Proof,
    checks: Vec<Check>,
    person: Option<Arc<dyn Person>>,
    /// Its change moves it: it is armed by the old way.
    moves: bool,
    /// A second host waits until the first has baked for so long.
    bake: Option<Duration>,
    /// Made on the controller before the host is begun.
    pub(crate) local: Vec<LocalChange>,
}

/// A person who gives one answer, after a while.
pub(crate) struct Desk {
    answer: Option<bool>,
    after: Duration,
}

impl Desk {
    pub(crate) fn says(answer: Option<bool>, after: Duration) -> Self {
        Self { answer, after }
    }
}

impl Person for Desk {
    fn ask(&self, waiting: Vec<Waiting>) -> BoxFuture<'_, ()> {
        async move {
            tokio::time::sleep(self.after).await;
            for waiting in waiting {
                if let Some(yes) = self.answer {
                    waiting.say(yes);
                }
            }
        }
        .boxed()
    }
}

/// What a run came to.
pub(crate) struct Ran {
    pub(crate) code: ExitCode,
    events: Vec<Event>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self {
            scripted: Scripted::new(),
            dir: tempfile::tempdir().unwrap(),
            local: Vec::new(),
            proof: Proof::default(),
            checks: Vec::new(),
            person: None,
            moves: false,
            bake: None,
        }
    }

    /// The host is a canary, has a remote check and bakes for so long; a second one waits behind it.
    pub(crate) fn bakes(self, time: Duration) -> Self {
        self.scripted.add(SECOND, inspect(true));
        let pace = Pace {
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            min_healthy_time: Duration::ZERO,
            healthy_deadline: Duration::from_secs(1),
            failure_limit: 0,
        };
        let probe = Probe::Run(Command::Inline("true".to_owned()));
        let (name, runs) = ("shop".to_owned(), Where::Remote);
        let check = Check { name, runs, probe, pace, required: true, baseline: false };
        Self { checks: vec![check], bake: Some(time), ..self }
    }

    pub(crate) fn proof(self, proof: Proof) -> Self {
        Self { proof, ..self }
    }

    pub(crate) fn person(self, desk: Desk) -> Self {
        Self { person: Some(Arc::new(desk)), ..self }
    }

    /// A check that is red at once, on the controller or on the target.
    pub(crate) fn red_check(mut self, name: &str, runs: Where) -> Self {
        let pace = Pace {
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(30),
            min_healthy_time: Duration::ZERO,
            healthy_deadline: Duration::ZERO,
            failure_limit: 0,
        };
        let probe = Probe::Run(Command::Inline("echo bad gateway; exit 1".to_owned()));
        self.checks.push(Check { name: name.to_owned(), runs, probe, pace, required: true, baseline: false });
        self
    }

    /// A local check that takes so long to pass.
    pub(crate) fn slow_local_check(self, time: Duration) -> Self {
        let pace = Pace {
            interval: Duration::from_secs(1),
            timeout: time * 2,
            min_healthy_time: Duration::ZERO,
            healthy_deadline: time,
            failure_limit: 0,
        };
        let check = Check {
            name: "slow".to_owned(),
            runs: Where::Local,
            probe: Probe::Run(Command::Inline(format!("sleep {}", time.as_secs()))),
            pace,
            required: true,
            baseline: false,
        };
        Self { checks: vec![check], ..self }
    }

    /// What was asked over connections of its own, in order.
    pub(crate) fn fresh(&self) -> Vec<Asked> {
        self.scripted.asked().into_iter().filter(|asked| asked.fresh).collect()
    }

    /// Adds a reply to the host's script.
    pub(crate) fn host(&self, reply: Reply) {
        self.scripted.add(HOST, reply);
    }

    /// Its change moves the host to another port.
    pub(crate) fn moving(self) -> Self {
        Self { moves: true, ..self }
    }

    /// Adds a reply to the script of the host behind the canary.
    pub(crate) fn second(&self, reply: Reply) {
        self.scripted.add(SECOND, reply);
    }

    /// A host that goes as far as `ready`.
    pub(crate) fn ready(&self) {
        self.host(inspect(true));
        self.host(begin().out("@snapback:{nonce} j 4 ready left=60").out("@snapback:{nonce} end"));
    }

    pub(crate) fn pending(&self, state: &str) -> String {
        format!("@snapback:{{nonce}} pending tx={RUN} state={state} age=9 left=- owner=me@here -- ")
    }

    pub(crate) async fn run(&self) -> Ran {
        let (sender, mut receiver) = events(RUN);
        let run = Run::new(RunParts {
            password: None,
            spec: spec(),
            jobs: self.jobs(),
            course: self.course(),
            vars: Vec::new(),
            continues: None,
            contents: Default::default(),
            dir: self.dir.path().to_owned(),
            connector: Arc::new(self.scripted.clone()),
            events: sender,
            records: Records::in_state_dir(self.dir.path()),
            texts: false,
            person: self.person.clone(),
            locking: Default::default(),
        });
        let code = run.plan().await.apply().await.unwrap();
        let mut heard = Vec::new();
        while let Some(event) = receiver.next().await {
            heard.push(event);
        }
        Ran { code, events: heard }
    }

    fn jobs(&self) -> Vec<HostJob> {
        let names: &[&str] = if self.bake.is_some() { &[HOST, SECOND] } else { &[HOST] };
        let job = |name: &&str| HostJob {
            local: self.local.clone(),
            proof: self.proof.clone(),
            checks: self.checks.clone(),
            ways: self.ways(name),
            ..job_of(name)
        };
        names.iter().map(job).collect()
    }

    fn ways(&self, name: &str) -> Vec<Way> {
        let host = HostName::parse(name).unwrap();
        let last = way(&host);
        match self.moves {
            true => vec![Way { port: Some(2222), ..last.clone() }, Way { kind: WayKind::Was, ..last }],
            false => vec![last],
        }
    }

    fn course(&self) -> Course {
        let Some(bake) = self.bake else { return Course::in_one_batch(1) };
        let cut = Sequence { canary: vec![0], serial: Vec::new() };
        let batches = sequence(2, &cut, |_, _| false);
        Course { batches, staged: true, budget: Budget::AtMost(0), bake, ..Course::in_one_batch(2) }
    }

    /// `deploy confirm` for a host that still has an old way in; the final one is refused.
    pub(crate) async fn confirm_by_hand_with_was(&self) -> Result<Settled, Failure> {
        let refused = || Reply::to(" confirm ").not_connected(ConnectErrorKind::Refused).by(WayKind::Final);
        let scripted = Scripted::new();
        scripted.add(HOST, refused());
        scripted.add(HOST, Reply::to(" status").out(&self.pending("ready")).out("@snapback:{nonce} end"));
        let mut job = job_of(HOST);
        let mut was = way(&job.host);
        was.kind = WayKind::Was;
        job.ways.push(was);
        let asker = Asker {
            connector: Arc::new(scripted.clone()),
            records: Records::in_state_dir(self.dir.path()),
            password: None,
        };
        let settled = asker.confirm(&job, None, &[]).await;
        let confirms = scripted
            .asked()
            .into_iter()
            .filter(|a| a.command.as_deref().is_some_and(|c| c.contains(" confirm ")));
        assert_eq!(confirms.map(|a| a.way).collect::<Vec<_>>(), [WayKind::Final]);
        settled
    }

    /// The last question that holds a text.
    pub(crate) fn asked(&self, text: &str) -> Asked {
        let asked = self.scripted.asked();
        let holds = |a: &&Asked| a.command.as_deref().is_some_and(|c| c.contains(text));
        asked.iter().rev().find(holds).unwrap_or_else(|| panic!("{text} was not asked")).clone()
    }

    /// What the local changes wrote down.
    pub(crate) fn steps(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("steps")).unwrap_or_default()
    }

    pub(crate) fn commands(&self) -> Vec<String> {
        self.scripted.commands(HOST)
    }

    pub(crate) fn recorded(&self) -> String {
        std::fs::read_to_string(self.dir.path().join(format!("runs/{RUN}.jsonl"))).unwrap()
    }
}

impl Ran {
    pub(crate) fn result(&self) -> HostResult {
        let found = self.of_the_first().find_map(|e| match &e.kind {
            EventKind::HostFinished { result, .. } => Some(*result),
            _ => None,
        });
        found.expect("the host's end was told")
    }

    /// What was told of the first host, the last of it first.
    fn of_the_first(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().rev().filter(|e| e.host.as_ref().is_some_and(|host| host.as_str() == HOST))
    }

    /// Cause, state and what to do next.
    pub(crate) fn ending(&self) -> (String, String, String) {
        let found = self.of_the_first().find_map(|e| match &e.kind {
            EventKind::HostFinished { cause, state, next, .. } => Some((cause, state, next)),
            _ => None,
        });
        let (cause, state, next) = found.expect("the host's end was told");
        (cause.clone(), state.clone(), next.clone())
    }

    /// How many events of a kind were told.
    pub(crate) fn count(&self, what: impl Fn(&EventKind) -> bool) -> usize {
        self.events.iter().filter(|e| what(&e.kind)).count()
    }

    pub(crate) fn told(&self, what: impl Fn(&EventKind) -> bool) -> bool {
        self.events.iter().any(|e| what(&e.kind))
    }
}

/// The answer to `inspect`: the script change is due, or not.
pub(crate) fn inspect(due: bool) -> Reply {
    Reply::to(" payload inspect")
        .out("noise of a login script")
        .out("@snapback:{nonce} hello version=1 uid=0 backend=systemd hook=systemd volatile=0 free_kib=9999 shell=dash -- /s")
        .out(&format!("@snapback:{{nonce}} script n=0 wanted={}", u8::from(!due)))
        .out("@snapback:{nonce} state_digest sum=abc")
        .out("@snapback:{nonce} end")
}

/// `begin` as far as apply's end: three lines of the journal.
pub(crate) fn begin() -> Reply {
    Reply::to(" begin ")
        .out("@snapback:{nonce} j 1 armed backend=systemd hook=systemd apply_timeout=60 window=60 -- ")
        .out("@snapback:{nonce} j 2 applying")
        .out("@snapback:{nonce} j 3 applied left=60")
}

pub(crate) fn follow() -> Reply {
    Reply::to(" follow ")
}

fn spec() -> RunSpec {
    RunSpec {
        run: RUN.to_owned(),
        fleet: "shop".to_owned(),
        owner: "me@here".to_owned(),
        origin: Default::default(),
        comment: String::new(),
        parallel: 10,
        connect_parallel: 10,
        volatile_guard: false,
    }
}

fn job_of(name: &str) -> HostJob {
    let host = HostName::parse(name).unwrap();
    let script = ScriptChange {
        facts: None,
        unless: Some(Command::Inline("false".to_owned())),
        apply: Command::Inline("true".to_owned()),
        rollback: None,
        watch: vec!["/etc/x".to_owned()],
        irreversible: false,
        timeout: Duration::from_secs(5),
    };
    HostJob {
        local: Vec::new(),
        ways: vec![way(&host)],
        host,
        r#become: Become::Auto,
        changes: vec![Change { name: "s".to_owned(), kind: ChangeKind::Script(Box::new(script)) }],
        checks: Vec::new(),
        confirm: ConfirmPolicy {
            window: Duration::from_secs(60),
            apply_timeout: Duration::from_secs(60),
            hard_cap: Duration::from_secs(900),
            settle: Duration::ZERO,
            reorder_kex: true,
        },
        last_resort: Default::default(),
        proof: Default::default(),
        keep: 5,
        protected: false,
        vars: Default::default(),
    }
}

fn way(host: &HostName) -> Way {
    Way {
        kind: WayKind::Final,
        host: host.clone(),
        address: None,
        port: None,
        user: None,
        identity_file: None,
        proxy_jump: None,
        ssh_config: None,
        known_hosts: KnownHosts::Strict,
        connect_timeout: Duration::from_secs(10),
        host_key: None,
        family: None,
    }
}
