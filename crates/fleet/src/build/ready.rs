//! Changes whose sources and commands have been read, before any host is looked at.

use super::protect::Pattern;
use super::source::Prepared;
use super::{Bench, Limits};
use crate::file::{RawChange, RawFiles, RawKind, RawScript};
use crate::place::At;
use crate::problem::Problem;
use crate::reader::written;
use snapback_core::change::{Command, ScriptChange};
use snapback_core::local_change::LocalChange;
use std::time::Duration;

/// The longest that `validate` or a handler may take, if nothing else is said.
const FILES_TIMEOUT: Duration = Duration::from_secs(60);

/// A change whose sources and commands have been read.
#[derive(Debug)]
pub(super) struct Ready<'a> {
    pub(super) name: String,
    pub(super) allow: Vec<Pattern>,
    pub(super) timeout: Duration,
    pub(super) work: Work<'a>,
}

/// What it does.
#[derive(Debug)]
pub(super) enum Work<'a> {
    Files { entries: Vec<Prepared<'a>>, validate: Option<Command>, handlers: Vec<Command> },
    Script { raw: &'a RawScript, commands: Box<ScriptChange> },
    Local(Box<LocalChange>),
}

impl Bench<'_> {
    /// Reads what a change needs.
    pub(super) fn ready<'a>(
        &mut self,
        raw: &'a RawChange,
        name: String,
        limits: &Limits,
    ) -> Option<Ready<'a>> {
        let timeout = self.change_timeout(raw, limits);
        let work = match &raw.kind {
            RawKind::Files(files) => self.files_work(files),
            RawKind::Script(script) if script.is_local => self.local_work(script, &name, timeout)?,
            RawKind::Script(script) => {
                if script.unless.is_none() {
                    self.notes
                        .push(format!("{name} has no `unless`: it runs each time and is never unchanged"));
                }
                self.script_work(script, timeout)?
            }
        };
        let allow = Pattern::read_all(&raw.allow, self.report);
        Some(Ready { name, allow, timeout, work })
    }

    fn files_work<'a>(&mut self, raw: &'a RawFiles) -> Work<'a> {
        Work::Files {
            entries: raw.entries.iter().filter_map(|entry| self.prepare(entry)).collect(),
            validate: self.maybe(raw.validate.as_ref()),
            handlers: raw.handlers.iter().filter_map(|handler| self.command(handler)).collect(),
        }
    }

    fn script_work<'a>(&mut self, raw: &'a RawScript, timeout: Duration) -> Option<Work<'a>> {
        let commands = ScriptChange {
            facts: self.maybe(raw.facts.as_ref()),
            unless: self.maybe(raw.unless.as_ref()),
            rollback: self.maybe(raw.rollback.as_ref()),
            watch: Vec::new(),
            irreversible: raw.irreversible,
            timeout,
            apply: self.maybe(raw.apply.as_ref())?,
        };
        Some(Work::Script { raw, commands: Box::new(commands) })
    }

    fn local_work<'a>(&mut self, raw: &'a RawScript, name: &str, timeout: Duration) -> Option<Work<'a>> {
        let change = LocalChange {
            name: name.to_owned(),
            facts: self.maybe(raw.facts.as_ref()),
            unless: self.maybe(raw.unless.as_ref()),
            rollback: self.maybe(raw.rollback.as_ref()),
            after: self.maybe(raw.after.as_ref()),
            irreversible: raw.irreversible,
            timeout,
            apply: self.maybe(raw.apply.as_ref())?,
        };
        Some(Work::Local(Box::new(change)))
    }

    fn change_timeout(&self, raw: &RawChange, limits: &Limits) -> Duration {
        let own = match raw.kind {
            RawKind::Files(_) => FILES_TIMEOUT.min(limits.apply_timeout),
            RawKind::Script(_) => limits.apply_timeout,
        };
        match &raw.timeout {
            Some(At { value, place }) if *value > limits.apply_timeout => {
                let message =
                    format!("this is longer than apply may take ({})", written(limits.apply_timeout));
                self.report.add(
                    Problem::at(place, message).hint("raise `apply_timeout` in [confirm], or lower this"),
                );
                own
            }
            Some(timeout) => timeout.value,
            None => own,
        }
    }
}
