//! Local changes: made on the controller for a host, before it is begun, and undone or finished by how it ended.
//!
//! The record is written durably before and after each command, with all that the undo needs. So a controller that
//! dies leaves enough for [`compensate`](fn@compensate).

mod compensate;
mod journal;
mod leftover;

pub use compensate::{Compensated, HostEnd, LeftOpen, compensate, left_open, open_hosts};
pub use journal::LocalEntry;

use crate::local_check::tail::clean;
use crate::local_command::{Failed, LocalEnv, Order, run};
use crate::record::Entry;
use crate::stream::Events;
use journal::{Begun, Moment, Pairs, Step, pairs};
use snapback_core::change::Command;
use snapback_core::event::EventKind;
use snapback_core::host::HostName;
use snapback_core::local_change::{LocalChange, LocalDeed};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How much of `$DEPLOY_OUTPUT` is read, in bytes.
const MOST_OUTPUT: u64 = 64 * 1024;

/// The local changes of one host that were begun.
pub(crate) struct Steps {
    host: HostName,
    events: Events,
    steps: Vec<Step>,
}

impl Steps {
    pub(crate) fn of(host: HostName, events: Events) -> Self {
        Self { host, events, steps: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The names of those that were begun.
    pub(crate) fn names(&self) -> Vec<String> {
        self.steps.iter().map(|step| step.begun.change.name.clone()).collect()
    }

    /// Makes one change; its outputs go into this folder.
    ///
    /// # Errors
    /// Why it failed, in one sentence; then the host must not be begun.
    pub(crate) async fn apply(
        &mut self,
        change: &LocalChange,
        env: &LocalEnv,
        folder: &Path,
    ) -> Result<(), String> {
        let number = self.steps.len();
        let output = folder.join(format!("{}.{number}", self.host));
        let (dir, vars) = (env.cwd.clone(), env.vars.clone());
        let mut begun = Begun { change: change.clone(), dir, vars, facts: Pairs::new(), output };
        begun.facts = self.facts(&begun).await.map_err(|failed| format!("its facts: {}", failed.why))?;
        if self.is_as_wanted(&begun).await? {
            self.told(&change.name, LocalDeed::Apply, None, ("as wanted already", Duration::ZERO));
            return Ok(());
        }
        let kept = make_output(folder, &begun.output);
        kept.map_err(|error| format!("{} could not be made: {error}", begun.output.display()))?;
        let moment = Moment::Applying { begun: Box::new(begun.clone()) };
        self.note(number, moment).await.map_err(|error| unrecorded(&error))?;
        self.steps.push(Step::new(begun));
        self.carry_out(number).await
    }

    async fn carry_out(&mut self, number: usize) -> Result<(), String> {
        let begun = &self.steps[number].begun;
        let (apply, limit) = (begun.change.apply.clone(), begun.change.timeout);
        let ended = self.command(number, LocalDeed::Apply, &apply, limit).await;
        self.steps[number].output = read_output(&self.steps[number].begun.output);
        self.steps[number].may_run = false;
        let output = self.steps[number].output.clone();
        let failed = ended.err().map(|failed| failed.why);
        let noted = self.note(number, Moment::Applied { output, failed: failed.clone() }).await;
        match (failed, noted) {
            (Some(why), _) => Err(why),
            (None, Err(error)) => Err(unrecorded(&error)),
            (None, Ok(())) => Ok(()),
        }
    }

    /// Undoes or finishes what was begun: for a host that keeps its change `after` alone, for one that is as before
    /// `rollback` in reverse order, then `after`. Returns what failed, a sentence each.
    pub(crate) async fn close(&mut self, is_confirmed: bool) -> Vec<String> {
        let mut failures = Vec::new();
        if self.steps.is_empty() {
            return failures;
        }
        if !is_confirmed {
            for number in (0..self.steps.len()).rev().filter(|n| !self.steps[*n].undone).collect::<Vec<_>>() {
                failures.extend(self.deed(number, LocalDeed::Rollback).await);
            }
        }
        for number in (0..self.steps.len()).filter(|n| !self.steps[*n].finished).collect::<Vec<_>>() {
            failures.extend(self.deed(number, LocalDeed::After).await);
        }
        if failures.is_empty() {
            // Unwritten, it is done once more when somebody asks for it: harmless, and said in the docs.
            self.note(0, Moment::Closed).await.ok();
        }
        failures
    }

    /// Runs `rollback` or `after` of a step, if it has one. Returns what failed.
    async fn deed(&mut self, number: usize, deed: LocalDeed) -> Option<String> {
        let change = self.steps[number].begun.change.clone();
        let command = match deed {
            LocalDeed::Rollback => change.rollback,
            LocalDeed::After => change.after,
            LocalDeed::Apply => None,
        }?;
        // An undo that can't be written down is still better than none.
        self.note(number, Moment::Starting { deed }).await.ok();
        let ended = self.command(number, deed, &command, change.timeout).await;
        let failed = ended.err().map(|failed| failed.why);
        self.note(number, Moment::Ended { deed, failed: failed.clone() }).await.ok();
        match deed {
            LocalDeed::Rollback => self.steps[number].undone = failed.is_none(),
            _ => self.steps[number].finished = failed.is_none(),
        }
        failed.map(|why| format!("`{}` of {}: {why}", deed.word(), change.name))
    }

    /// Runs a command of a step and tells it.
    async fn command(
        &self,
        number: usize,
        deed: LocalDeed,
        command: &Command,
        limit: Duration,
    ) -> Result<(), Failed> {
        let begun = &self.steps[number].begun;
        let name = begun.change.name.clone();
        self.events.host(&self.host, EventKind::LocalStarted { change: name.clone(), deed });
        let began = Instant::now();
        let env = self.env(begun);
        let (events, host) = (self.events.clone(), self.host.clone());
        let step = format!("{name}.{}", deed.word());
        let mut tell = move |line: &str| {
            events.host(&host, EventKind::Output { step: step.clone(), line: clean(line) });
        };
        let ended = run(Order { command, env: &env, stdin: None, limit }, &mut tell).await;
        let failed = ended.as_ref().err().map(|failed| failed.why.as_str());
        self.told(&name, deed, failed, ("", began.elapsed()));
        ended
    }

    fn told(&self, change: &str, deed: LocalDeed, failed: Option<&str>, (detail, took): (&str, Duration)) {
        let kind = EventKind::LocalFinished {
            change: change.to_owned(),
            deed,
            ok: failed.is_none(),
            detail: failed.unwrap_or(detail).to_owned(),
            ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        };
        self.events.host(&self.host, kind);
    }

    async fn facts(&self, begun: &Begun) -> Result<Pairs, Failed> {
        let Some(command) = &begun.change.facts else { return Ok(Pairs::new()) };
        let env = self.env(begun);
        let mut lines: Vec<String> = Vec::new();
        let mut keep = |line: &str| lines.push(line.to_owned());
        run(Order { command, env: &env, stdin: None, limit: begun.change.timeout }, &mut keep).await?;
        Ok(pairs(lines.iter().map(String::as_str)))
    }

    async fn is_as_wanted(&self, begun: &Begun) -> Result<bool, String> {
        let Some(command) = &begun.change.unless else { return Ok(false) };
        let env = self.env(begun);
        match run(Order { command, env: &env, stdin: None, limit: begun.change.timeout }, &mut |_| {}).await {
            Ok(()) => Ok(true),
            Err(failed) if failed.said_no => Ok(false),
            Err(failed) => Err(format!("its `unless`: {}", failed.why)),
        }
    }

    /// What a command of a step gets: its facts, and the outputs of all steps so far.
    fn env(&self, begun: &Begun) -> LocalEnv {
        let facts = begun.facts.iter().map(|(key, value)| (format!("FACT_{key}"), value.clone()));
        let outputs = self.steps.iter().flat_map(|step| &step.output);
        let outputs = outputs.map(|(key, value)| (format!("OUTPUT_{key}"), value.clone()));
        let own = ("DEPLOY_OUTPUT".to_owned(), begun.output.display().to_string());
        let vars = begun.vars.iter().cloned().chain(facts).chain(outputs).chain([own]).collect();
        LocalEnv { cwd: begun.dir.clone(), vars }
    }

    async fn note(&self, step: usize, moment: Moment) -> io::Result<()> {
        let entry = Entry::Local(LocalEntry { host: self.host.clone(), step, moment });
        self.events.record_durably(&entry).await
    }
}

fn unrecorded(error: &io::Error) -> String {
    format!("the run's record could not be written: {error}")
}

/// Makes the file behind `$DEPLOY_OUTPUT`, empty.
fn make_output(folder: &Path, path: &PathBuf) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?.sync_all()
}

/// Reads what a step has written, made durable; nothing where it can't be read.
fn read_output(path: &Path) -> Pairs {
    let mut text = Vec::new();
    if let Ok(file) = File::open(path) {
        file.sync_all().ok();
        file.take(MOST_OUTPUT).read_to_end(&mut text).ok();
    }
    pairs(String::from_utf8_lossy(&text).lines())
}
