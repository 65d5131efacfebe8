//! Plans to render: hosts, what is wanted of them, and what they said of themselves.

use crate::recorded::host;
use snapback_core::change::{Change, ChangeKind, Command, EntryKind, FileEntry, FilesChange, ScriptChange};
use snapback_core::check::{Check, Pace, Probe, Where};
use snapback_core::content::Sha256Hex;
use snapback_core::deadline::ConfirmPolicy;
use snapback_core::host::HostName;
use snapback_core::inspection::{
    ChangeInspection, GuardFacts, Inspection, PathDiffers, PathKind, PathState, Pending,
};
use snapback_core::job::HostJob;
use snapback_core::lease::Origin;
use snapback_core::rollout::Course;
use snapback_core::way::Become;
use snapback_render::plan::{HostPlan, PlanView};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A fleet as far as a plan needs it.
#[derive(Default)]
pub(crate) struct Planned {
    hosts: Vec<(HostJob, Result<Inspection, String>)>,
    texts: BTreeMap<Sha256Hex, Arc<str>>,
    notes: Vec<String>,
    course: Option<Course>,
    all: bool,
    undone: Vec<HostName>,
}

impl Planned {
    pub(crate) fn text(mut self, hash: &str, text: &str) -> Self {
        self.texts.insert(Sha256Hex(hash.to_owned()), text.into());
        self
    }

    pub(crate) fn note(mut self, text: &str) -> Self {
        self.notes.push(text.to_owned());
        self
    }

    pub(crate) fn course(mut self, course: Course) -> Self {
        self.course = Some(course);
        self
    }

    /// Shows every plan.
    pub(crate) fn all(mut self) -> Self {
        self.all = true;
        self
    }

    /// A host that is taken back first.
    pub(crate) fn undone(mut self, name: &str) -> Self {
        self.undone.push(host(name));
        self
    }

    pub(crate) fn host(mut self, name: &str, changes: Vec<Change>, found: Vec<ChangeInspection>) -> Self {
        let inspection = Inspection { guard: guard(), changes: found, ..Inspection::default() };
        self.hosts.push((job(name, changes), Ok(inspection)));
        self
    }

    pub(crate) fn unread(mut self, name: &str, why: &str) -> Self {
        self.hosts.push((job(name, Vec::new()), Err(why.to_owned())));
        self
    }

    /// Changes what the last host said of itself.
    pub(crate) fn but(mut self, edit: impl FnOnce(&mut HostJob, &mut Inspection)) -> Self {
        if let Some((job, Ok(inspection))) = self.hosts.last_mut() {
            edit(job, inspection);
        }
        self
    }

    pub(crate) fn view<T>(&self, colour: bool, look: impl FnOnce(&PlanView<'_>) -> T) -> T {
        let plan = |(job, found): &'_ (HostJob, Result<Inspection, String>)| {
            (job.host.clone(), job.clone(), found.clone())
        };
        let owned: Vec<_> = self.hosts.iter().map(plan).collect();
        let hosts: Vec<_> = owned
            .iter()
            .map(|(host, job, found)| HostPlan { host, job, found: found.as_ref().map_err(String::as_str) })
            .collect();
        let text_of = |hash: &Sha256Hex| self.texts.get(hash).cloned();
        let one_batch = Course::in_one_batch(hosts.len());
        let course = self.course.as_ref().unwrap_or(&one_batch);
        let notes = &self.notes;
        let (connect_parallel, width) = (20, 0);
        look(&PlanView {
            fleet: "shop",
            hosts,
            undone: self.undone.iter().collect(),
            course,
            connect_parallel,
            text_of: &text_of,
            notes,
            all: self.all,
            colour,
            width,
        })
    }
}

pub(crate) fn files(entries: Vec<FileEntry>, handlers: &[&str]) -> Change {
    let handlers = handlers.iter().map(|h| inline(h)).collect();
    let timeout = Duration::from_secs(60);
    let kind = FilesChange { entries, purge: Vec::new(), validate: None, handlers, timeout };
    Change { name: "config".to_owned(), kind: ChangeKind::Files(kind) }
}

pub(crate) fn script(name: &str, edit: impl FnOnce(&mut ScriptChange)) -> Change {
    let mut script = ScriptChange {
        facts: None,
        unless: None,
        apply: inline("apply-it"),
        rollback: None,
        watch: Vec::new(),
        irreversible: false,
        timeout: Duration::from_secs(60),
    };
    edit(&mut script);
    Change { name: name.to_owned(), kind: ChangeKind::Script(Box::new(script)) }
}

pub(crate) fn inline(text: &str) -> Command {
    Command::Inline(text.to_owned())
}

pub(crate) fn file(dest: &str, hash: &str, size: u64) -> FileEntry {
    let what = EntryKind::File {
        content: Sha256Hex(hash.to_owned()),
        size,
        source: "config/x".into(),
        secret: false,
    };
    FileEntry { dest: dest.to_owned(), what, mode: 0o644, owner: None, group: None }
}

pub(crate) fn entry(dest: &str, what: EntryKind, mode: u32) -> FileEntry {
    FileEntry { dest: dest.to_owned(), what, mode, owner: None, group: None }
}

/// A regular file that is there.
pub(crate) fn present(hash: &str, size: u64) -> PathState {
    let sha256 = Some(Sha256Hex(hash.to_owned()));
    PathState { kind: PathKind::File, mode: 0o644, size, sha256, ..PathState::default() }
}

pub(crate) fn differ(now: Vec<(usize, PathState, Option<&str>)>, delete: &[&str]) -> ChangeInspection {
    let differ = now
        .into_iter()
        .map(|(entry, now, text)| PathDiffers { entry, now, text: text.map(Into::into) })
        .collect();
    ChangeInspection::Files { differ, delete: delete.iter().map(|p| (*p).to_owned()).collect() }
}

pub(crate) fn pending(owner: &str) -> Pending {
    Pending {
        tx: "01TX".to_owned(),
        owner: owner.to_owned(),
        origin: Origin::default(),
        comment: "new ports".to_owned(),
        state: "applied".to_owned(),
        age: 300,
        left: Some(40),
        over_in: None,
    }
}

pub(crate) fn check(name: &str, runs: Where, required: bool) -> Check {
    let secs = Duration::from_secs;
    let pace = Pace {
        interval: secs(1),
        timeout: secs(5),
        min_healthy_time: secs(5),
        healthy_deadline: secs(45),
        failure_limit: 0,
    };
    Check { name: name.to_owned(), runs, probe: Probe::Run(inline("true")), pace, required, baseline: false }
}

fn job(name: &str, changes: Vec<Change>) -> HostJob {
    let secs = Duration::from_secs;
    let confirm = ConfirmPolicy {
        window: secs(83),
        apply_timeout: secs(300),
        hard_cap: secs(900),
        settle: secs(3),
        reorder_kex: true,
    };
    let checks = vec![check("healthz", Where::Local, true), check("ntp", Where::Remote, false)];
    let vars = BTreeMap::new();
    let last_resort = snapback_core::undo::LastResort::default();
    HostJob {
        local: Vec::new(),
        host: host(name),
        ways: Vec::new(),
        r#become: Become::Auto,
        changes,
        checks,
        confirm,
        last_resort,
        proof: Default::default(),
        keep: 5,
        protected: false,
        vars,
    }
}

fn guard() -> GuardFacts {
    GuardFacts {
        backend: "systemd".to_owned(),
        boot_hook: "systemd".to_owned(),
        state_dir: "/var/lib/snapback".to_owned(),
        ..GuardFacts::default()
    }
}
