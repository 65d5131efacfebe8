//! A controller: runs of its own over lines of its own, with records on a disk of its own.

use snapback_core::change::{Change, ChangeKind, Command, ScriptChange};
use snapback_core::deadline::ConfirmPolicy;
use snapback_core::event::EventKind;
use snapback_core::host::HostName;
use snapback_core::job::{HostJob, RunSpec};
use snapback_core::outcome::HostResult;
use snapback_core::rollout::Course;
use snapback_core::way::{Become, KnownHosts, Way, WayKind};
use snapback_engine::ask::Asker;
use snapback_engine::record::Records;
use snapback_engine::{Run, RunParts, events};
use snapback_testkit::faults::Rng;
use snapback_testkit::faults::model::{Line, World};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What a run wants, and the limits it sets.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) run: String,
    pub(crate) content: String,
    pub(crate) hosts: Vec<String>,
    pub(crate) limits: ConfirmPolicy,
}

impl Wish {
    pub(crate) fn draw(rng: &mut Rng, run: &str, hosts: &[&str]) -> Self {
        let apply_timeout = Duration::from_secs(rng.u64(5..60));
        let window = Duration::from_secs(rng.u64(5..60));
        let limits = ConfirmPolicy {
            window,
            apply_timeout,
            hard_cap: apply_timeout + window + Duration::from_secs(rng.u64(0..60)),
            settle: Duration::ZERO,
            reorder_kex: true,
        };
        let hosts = hosts.iter().map(|h| (*h).to_owned()).collect();
        Self { run: run.to_owned(), content: format!("new by {run}"), hosts, limits }
    }

    pub(crate) fn job(&self, host: &str) -> HostJob {
        let host = HostName::parse(host).unwrap();
        let script = ScriptChange {
            facts: None,
            unless: Some(Command::Inline(self.content.clone())),
            apply: Command::Inline(self.content.clone()),
            rollback: Some(Command::Inline("old".to_owned())),
            watch: Vec::new(),
            irreversible: false,
            timeout: Duration::from_secs(10),
        };
        HostJob {
            local: Vec::new(),
            ways: vec![way(&host)],
            host,
            r#become: Become::Auto,
            changes: vec![Change { name: "s".to_owned(), kind: ChangeKind::Script(Box::new(script)) }],
            checks: Vec::new(),
            keep: 5,
            protected: false,
            last_resort: Default::default(),
            confirm: self.limits,
            proof: Default::default(),
            vars: Default::default(),
        }
    }
}

/// A controller.
pub(crate) struct Controller<'a> {
    pub(crate) line: Line,
    disk: &'a Path,
}

impl<'a> Controller<'a> {
    pub(crate) fn new(world: &World, disk: &'a Path) -> Self {
        Self { line: Line::new(world), disk }
    }

    /// Runs a wish to its end, and returns what was said of each host, unless the run was killed before.
    pub(crate) async fn run(&self, wish: &Wish) -> Vec<(String, HostResult)> {
        let (sender, mut receiver) = events(&wish.run);
        let run = Run::new(RunParts {
            spec: spec(&wish.run),
            jobs: wish.hosts.iter().map(|host| wish.job(host)).collect(),
            contents: Default::default(),
            dir: self.disk.to_owned(),
            connector: Arc::new(self.line.clone()),
            events: sender,
            records: Records::in_state_dir(self.disk),
            texts: false,
            person: None,
            locking: Default::default(),
            password: None,
            course: Course::in_one_batch(wish.hosts.len()),
            vars: Vec::new(),
            continues: None,
        });
        run.plan().await.apply().await.unwrap();
        let mut said = Vec::new();
        while let Some(event) = receiver.next().await {
            if let (Some(host), EventKind::HostFinished { result, .. }) = (event.host, event.kind) {
                said.push((host.to_string(), result));
            }
        }
        said
    }

    pub(crate) fn asker(&self) -> Asker {
        Asker {
            connector: Arc::new(self.line.clone()),
            records: Records::in_state_dir(self.disk),
            password: None,
        }
    }
}

fn spec(run: &str) -> RunSpec {
    RunSpec {
        run: run.to_owned(),
        fleet: "shop".to_owned(),
        owner: "me@here".to_owned(),
        origin: Default::default(),
        comment: String::new(),
        parallel: 2,
        connect_parallel: 2,
        volatile_guard: false,
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
        connect_timeout: Duration::from_secs(5),
        host_key: None,
        family: None,
    }
}
