//! Works a document out into jobs: one for each host that is to be worked on.

mod check;
mod command;
mod confirm;
mod conflict;
mod dest;
mod files;
mod hooks;
mod host;
mod protect;
mod ready;
mod request;
mod rollout;
mod source;
mod together;
mod tree;

use crate::file::{Document, RawKind, RawProbe, bad_fleet_name, load_document, twice};
use crate::hosts::{Candidate, Chooser, Host, resolve};
use crate::place::{At, Place};
use crate::problem::{Problem, Problems, Report};
use crate::store::Store;
use crate::template::{Context, Templates};
use crate::{Fleet, LoadRequest};
use check::ReadyCheck;
use confirm::Limits;
use host::{Assembly, Target, local_changes};
use protect::Protection;
use ready::Ready;
use snapback_core::job::HostJob;
use snapback_core::undo::LastResort;
use std::collections::BTreeMap;
use std::path::Path;

/// How many hosts are worked on at once, if nothing else is said.
const PARALLEL: usize = 50;

/// How many confirmed runs a host keeps, if nothing else is said.
const KEEP: u32 = 5;

/// How many connections are opened at once, if nothing else is said.
const CONNECT_PARALLEL: usize = 20;

/// What all of the work shares.
#[derive(Debug)]
struct Bench<'a> {
    report: &'a Report,
    store: Store,
    templates: Templates,
    notes: Vec<String>,
}

/// Something of the fleet file, and the hosts that it is for.
struct For<T> {
    thing: T,
    /// Positions in the whole fleet, before `--limit`.
    hosts: Vec<usize>,
}

/// Loads a fleet file.
pub(crate) fn load(path: &Path, request: &LoadRequest) -> Result<Fleet, Problems> {
    let report = Report::default();
    let fleet = load_document(path, &report).and_then(|document| work_out(path, &document, request, &report));
    match fleet {
        Some(fleet) if report.is_empty() => Ok(fleet),
        _ => Err(report.into_problems()),
    }
}

fn work_out(path: &Path, document: &Document, request: &LoadRequest, report: &Report) -> Option<Fleet> {
    let mut hosts = resolve(document, report);
    request::apply_vars(&request.vars, &mut hosts, report);
    if hosts.is_empty() && report.is_empty() {
        let message = format!("the fleet file {} names no host", path.display());
        report.add(Problem::nowhere(message).hint("add a table like [hosts.\"app01.example.org\"]"));
    }
    let candidates: Vec<Candidate> = hosts.iter().map(Host::candidate).collect();
    let groups: Vec<String> = document.groups.iter().map(|group| group.name.value.clone()).collect();
    let chooser = Chooser { hosts: &candidates, groups: &groups, report };
    let mut chosen = request::limit(request.limit.as_deref(), &chooser);

    let mut bench = Bench { report, store: Store::default(), templates: Templates::new(), notes: Vec::new() };
    if let Some(only) = &request.only {
        bench.notes.extend(request::only(only, &hosts, &mut chosen));
    }
    let limits = Limits::of(document, request.mode);
    let last_resort = bench.last_resort(document);
    let changes = bench.changes(document, &chooser, &limits);
    let checks = bench.checks(document, &chooser);
    let hooks = bench.hooks(document);
    bench.note_idle(&changes, &chosen);
    let plan = Plan {
        limits,
        last_resort,
        keep: document.history.as_ref().and_then(|history| history.value).unwrap_or(KEEP),
        protection: Protection::new(&document.protected_paths, report),
        changes,
        checks,
    };
    let jobs: Vec<HostJob> = chosen.iter().map(|at| bench.job(*at, &hosts[*at], &plan)).collect();

    report.forget_hosts_where_all(jobs.len());
    bench.note_only_local(&jobs);

    let rollout = document.rollout.as_ref().map(|rollout| rollout.value.clone()).unwrap_or_default();
    let mut course = bench.course(&rollout, &chooser, &chosen, &jobs);
    let parallel = rollout.parallel.unwrap_or(PARALLEL);
    let connect_parallel = rollout.connect_parallel.unwrap_or(CONNECT_PARALLEL);
    if let Some(scope) = document.confirm.as_ref().and_then(|confirm| confirm.value.scope.as_ref()) {
        course.confirm_scope = scope.value;
        bench.judge_together(scope, &course, &jobs, (parallel, connect_parallel));
    }
    let dir = path.parent().map(|dir| if dir.as_os_str().is_empty() { Path::new(".") } else { dir });
    Some(Fleet {
        name: fleet_name(path, document, report)?,
        dir: crate::place::absolute(dir.unwrap_or(Path::new("."))),
        jobs,
        course,
        hooks,
        left_out: (0..hosts.len())
            .filter(|at| !chosen.contains(at))
            .map(|at| hosts[at].name.clone())
            .collect(),
        contents: bench.store.into_contents(),
        parallel,
        connect_parallel,
        notes: bench.notes,
    })
}

/// What is the same for all hosts.
struct Plan<'a> {
    limits: Limits,
    last_resort: LastResort,
    keep: u32,
    protection: Protection,
    changes: Vec<For<Ready<'a>>>,
    checks: Vec<For<ReadyCheck<'a>>>,
}

impl Bench<'_> {
    fn changes<'a>(
        &mut self,
        document: &'a Document,
        chooser: &Chooser<'_>,
        limits: &Limits,
    ) -> Vec<For<Ready<'a>>> {
        let mut names = Names::of("change");
        let mut changes = Vec::new();
        for raw in &document.changes {
            let word = match raw.kind {
                RawKind::Files(_) => "files",
                RawKind::Script(_) => "script",
            };
            let name = names.take(raw.name.as_ref(), &raw.place, word, self.report);
            let hosts = self.hosts_of(raw.on.as_ref(), chooser);
            changes.extend(self.ready(raw, name, limits).map(|thing| For { thing, hosts }));
        }
        if document.changes.is_empty() {
            self.notes.push("there are no changes: this fleet can only be checked".to_owned());
        }
        changes
    }

    fn checks<'a>(&mut self, document: &'a Document, chooser: &Chooser<'_>) -> Vec<For<ReadyCheck<'a>>> {
        let mut names = Names::of("check");
        let mut checks = Vec::new();
        for raw in &document.checks {
            let word = match raw.probe {
                RawProbe::Run(_) => "run",
                RawProbe::Http { .. } => "http",
                RawProbe::Tcp { .. } => "tcp",
                RawProbe::Ssh => "ssh",
            };
            let name = names.take(raw.name.as_ref(), &raw.place, word, self.report);
            let hosts = self.hosts_of(raw.on.as_ref(), chooser);
            checks.push(For { thing: self.ready_check(raw, name), hosts });
        }
        checks
    }

    /// Returns the hosts that `on` selects; without it, all.
    fn hosts_of(&self, on: Option<&At<String>>, chooser: &Chooser<'_>) -> Vec<usize> {
        match on {
            Some(on) => chooser.choose(on).unwrap_or_default(),
            None => (0..chooser.hosts.len()).collect(),
        }
    }

    fn note_idle(&mut self, changes: &[For<Ready<'_>>], chosen: &[usize]) {
        for change in changes {
            if !change.hosts.is_empty() && !change.hosts.iter().any(|at| chosen.contains(at)) {
                self.notes.push(format!("{} has no host left after --limit", change.thing.name));
            }
        }
    }

    fn note_only_local(&mut self, jobs: &[HostJob]) {
        let idle = jobs.iter().filter(|job| !job.local.is_empty() && job.changes.is_empty()).count();
        if idle > 0 {
            self.notes.push(format!(
                "{idle} of the hosts have only changes with `where = \"local\"`, which are made for hosts that change: nothing will be done for them"
            ));
        }
    }

    fn job(&mut self, at: usize, host: &Host, plan: &Plan<'_>) -> HostJob {
        let context = Context::new(&host.keys.vars, host.name.as_str(), host.address());
        let target = Target { name: &host.name, context: &context };
        let changes: Vec<&Ready<'_>> = for_host(&plan.changes, at);
        let ready: Vec<&ReadyCheck<'_>> = for_host(&plan.checks, at);
        let checks: Vec<_> =
            ready.iter().filter_map(|check| self.check_for(check, target, host.address())).collect();
        self.judge_policy(&plan.limits, host, &checks, &ready);
        HostJob {
            host: host.name.clone(),
            ways: host.ways(),
            r#become: host.keys.r#become.unwrap_or_default(),
            local: local_changes(&changes),
            changes: Assembly::of(self, target, &plan.protection).changes(&changes),
            confirm: plan.limits.policy(host, &checks),
            proof: plan.limits.proof.clone(),
            checks,
            last_resort: plan.last_resort.clone(),
            keep: plan.keep,
            protected: host.keys.protected.unwrap_or_default(),
            vars: host.keys.vars.iter().map(|(name, value)| (name.clone(), value.to_text())).collect(),
        }
    }
}

fn for_host<T>(things: &[For<T>], at: usize) -> Vec<&T> {
    things.iter().filter(|thing| thing.hosts.contains(&at)).map(|thing| &thing.thing).collect()
}

/// Gives names, and sees to it that none is given twice.
struct Names<'a> {
    what: &'static str,
    taken: BTreeMap<String, &'a Place>,
    counted: BTreeMap<&'static str, usize>,
}

impl<'a> Names<'a> {
    fn of(what: &'static str) -> Self {
        Self { what, taken: BTreeMap::new(), counted: BTreeMap::new() }
    }

    fn take(
        &mut self,
        name: Option<&'a At<String>>,
        header: &'a Place,
        word: &'static str,
        report: &Report,
    ) -> String {
        let count = self.counted.entry(word).or_default();
        *count += 1;
        let (name, place) = match name {
            Some(name) => (name.value.clone(), &name.place),
            None => (format!("{word}-{count}"), header),
        };
        if let Some(first) = self.taken.insert(name.clone(), place) {
            report.add(twice(&format!("the {} `{name}`", self.what), first, place));
        }
        name
    }
}

fn fleet_name(path: &Path, document: &Document, report: &Report) -> Option<String> {
    if let Some(name) = &document.name {
        return Some(name.value.clone());
    }
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some(why) = bad_fleet_name(&stem) {
        let message = format!("the file's name, {stem:?}, can't be the fleet's name: {why}");
        report.add(Problem::nowhere(message).hint("add `name = \"...\"` at the top of the file"));
        return None;
    }
    Some(stem)
}
