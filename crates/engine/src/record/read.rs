//! Reading records: what a run was, how far it came, and what is left of it.

use super::{Entry, HostRecord, Promise, RECORD_VERSION, Records, RunHeader, UndoRecord};
use crate::local_change::LocalEntry;
use rustix::fs::{FlockOperation, flock};
use serde::Deserialize;
use snapback_core::event::{Event, EventKind};
use snapback_core::host::HostName;
use snapback_core::outcome::HostResult;
use snapback_core::rollout::Ending;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Why a record can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// There is none of this run, or none at all.
    #[error("there is no record of {what} in {folder}")]
    Missing {
        /// What was looked for.
        what: String,
        /// Where.
        folder: String,
    },
    /// It is another fleet's.
    #[error("run {run} is one of the fleet '{found}', not of '{wanted}'")]
    OtherFleet {
        /// The run.
        run: String,
        /// Whose it is.
        found: String,
        /// Whose was looked for.
        wanted: String,
    },
    /// A newer snapback wrote it.
    #[error("the record of run {run} has version {found}, and this deploy knows up to {RECORD_VERSION}")]
    Newer {
        /// The run.
        run: String,
        /// Its version.
        found: u32,
    },
    /// It is no record.
    #[error("the record of run {run} can't be read: {why}")]
    Broken {
        /// The run.
        run: String,
        /// Why.
        why: String,
    },
}

/// What a record says of a run.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// What the run was to do.
    pub header: RunHeader,
    /// The hosts that were to be begun, with their tokens.
    pub hosts: Vec<HostRecord>,
    /// The confirmed hosts that were to be undone, with the tokens for that, in order.
    pub undos: Vec<UndoRecord>,
    /// All that was told, in order.
    pub events: Vec<Event>,
    /// What was done on the controller for its hosts, in order.
    pub(crate) local: Vec<LocalEntry>,
    /// The batches that were to be confirmed as one, each once its hosts had all passed.
    pub promises: Vec<Promise>,
    /// Its controller is at work right now.
    pub is_running: bool,
}

/// How far a run came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It came to its end, with this exit code.
    Finished {
        /// The exit code.
        exit_code: u8,
        /// Why no more hosts were begun, for a staged run.
        ending: Option<Ending>,
    },
    /// Its controller is at work.
    Running,
    /// Its controller waits for a promotion.
    AtGate,
    /// Its controller is gone without a word.
    Died,
}

/// The version alone: a newer record need not be understood any further.
#[derive(Deserialize)]
struct Version {
    v: u32,
}

impl RunRecord {
    /// Reads the record of a run from its file.
    ///
    /// # Errors
    /// [`RecordError`] when it isn't there, is newer, or is no record.
    pub(super) fn read(path: &Path, run: &str) -> Result<Self, RecordError> {
        let broken = |why: String| RecordError::Broken { run: run.to_owned(), why };
        let file = File::open(path).map_err(|error| broken(error.to_string()))?;
        let is_running = flock(&file, FlockOperation::NonBlockingLockShared).is_err();
        let mut lines = BufReader::new(file).lines();
        let first = lines.next().transpose().map_err(|error| broken(error.to_string()))?.unwrap_or_default();
        match serde_json::from_str::<Version>(&first) {
            Ok(Version { v }) if v > RECORD_VERSION => {
                return Err(RecordError::Newer { run: run.to_owned(), found: v });
            }
            Ok(_) => {}
            Err(error) => return Err(broken(error.to_string())),
        }
        let Ok(Entry::Run(header)) = serde_json::from_str(&first) else {
            return Err(broken("its first line doesn't say what the run was to do".to_owned()));
        };
        let (hosts, undos, events, local) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let promises = Vec::new();
        let mut record = Self { header, hosts, undos, events, local, promises, is_running };
        // A line that a crash cut short was never acted upon.
        for entry in lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()) {
            match entry {
                Entry::Host(host) => record.hosts.push(host),
                Entry::Event(event) => record.events.push(event),
                Entry::Local(entry) => record.local.push(entry),
                Entry::Undo(undo) => record.undos.push(undo),
                Entry::Promise(promise) => record.promises.push(promise),
                Entry::Run(_) => {}
            }
        }
        Ok(record)
    }

    /// Returns how each host ended that has ended.
    #[must_use]
    pub fn results(&self) -> BTreeMap<HostName, HostResult> {
        let ends = self.events.iter().filter_map(|event| match (&event.host, &event.kind) {
            (Some(host), EventKind::HostFinished { result, .. }) => Some((host.clone(), *result)),
            _ => None,
        });
        ends.collect()
    }

    /// Returns whether a host said that it was armed.
    #[must_use]
    pub fn was_armed(&self, host: &HostName) -> bool {
        let armed = |event: &&Event| matches!(event.kind, EventKind::GuardArmed { .. });
        self.events.iter().filter(armed).any(|event| event.host.as_ref() == Some(host))
    }

    /// Returns how far the run came.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let finished = self.events.iter().rev().find_map(|event| match event.kind {
            EventKind::RunFinished { exit_code, .. } => Some(exit_code),
            _ => None,
        });
        match finished {
            Some(exit_code) => Progress::Finished { exit_code, ending: self.ending() },
            None if self.is_running && self.is_at_gate() => Progress::AtGate,
            None if self.is_running => Progress::Running,
            None => Progress::Died,
        }
    }

    /// Returns whether the run waits at its gate, as far as it has told.
    fn is_at_gate(&self) -> bool {
        let stage = self.events.iter().rev().find(|event| {
            matches!(event.kind, EventKind::BatchStarted { .. } | EventKind::GateReached { .. })
        });
        stage.is_some_and(|event| matches!(event.kind, EventKind::GateReached { .. }))
    }

    pub(super) fn ending(&self) -> Option<Ending> {
        self.events.iter().rev().find_map(|event| match event.kind {
            EventKind::RolloutEnded { ending, .. } => Some(ending),
            _ => None,
        })
    }
}

impl Records {
    /// Returns the record of a run of this fleet; without a run, of the newest.
    ///
    /// # Errors
    /// [`RecordError`] when there is none, it is another fleet's, newer, or no record.
    pub fn open(&self, fleet: &str, run: Option<&str>) -> Result<RunRecord, RecordError> {
        let Some(run) = run else { return self.newest(fleet) };
        let record = self.of_run(run)?;
        if record.header.fleet != fleet {
            let found = record.header.fleet;
            return Err(RecordError::OtherFleet { run: run.to_owned(), found, wanted: fleet.to_owned() });
        }
        Ok(record)
    }

    /// Returns the record of a run, whatever fleet it is of.
    ///
    /// # Errors
    /// [`RecordError`] when there is none, it is newer, or no record.
    pub fn of_run(&self, run: &str) -> Result<RunRecord, RecordError> {
        let path = self.folder.join(format!("{run}.jsonl"));
        if !run.chars().all(|c| c.is_ascii_alphanumeric()) || !path.exists() {
            return Err(self.missing(&format!("run {run}")));
        }
        RunRecord::read(&path, run)
    }

    /// Returns the run that was gone on with first to come to this one; itself, if it goes on with none.
    #[must_use]
    pub fn origin_of(&self, record: &RunRecord) -> String {
        let mut run = record.header.run.clone();
        let mut before = record.header.continues.clone();
        while let Some(record) = before.and_then(|run| self.of_run(&run).ok()) {
            // An id that sorts behind is no earlier run: a record that was tampered with must not go round in circles.
            if record.header.run >= run {
                break;
            }
            run = record.header.run;
            before = record.header.continues;
        }
        run
    }

    /// Returns the ids of all runs with a record, newest first.
    #[must_use]
    pub fn runs(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut runs: Vec<String> =
            names.filter_map(|name| name.strip_suffix(".jsonl").map(str::to_owned)).collect();
        // ULIDs sort by time.
        runs.sort_unstable_by(|a, b| b.cmp(a));
        runs
    }

    /// Returns the records of a fleet's runs, newest first; what can't be read is left out.
    pub fn of_fleet(&self, fleet: &str) -> impl Iterator<Item = RunRecord> {
        let read = self
            .runs()
            .into_iter()
            .filter_map(|run| RunRecord::read(&self.folder.join(format!("{run}.jsonl")), &run).ok());
        read.filter(move |record| record.header.fleet == fleet)
    }

    fn newest(&self, fleet: &str) -> Result<RunRecord, RecordError> {
        for run in self.runs() {
            match RunRecord::read(&self.folder.join(format!("{run}.jsonl")), &run) {
                Ok(record) if record.header.fleet == fleet => return Ok(record),
                // What a newer deploy wrote may be the very run that is meant.
                Err(newer @ RecordError::Newer { .. }) => return Err(newer),
                Ok(_) | Err(_) => {}
            }
        }
        Err(self.missing(&format!("a run of the fleet '{fleet}'")))
    }

    fn missing(&self, what: &str) -> RecordError {
        RecordError::Missing { what: what.to_owned(), folder: self.folder.display().to_string() }
    }
}
