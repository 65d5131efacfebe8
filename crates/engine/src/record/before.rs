//! What a run had come to that another one goes on with: the two count as one for the budget and for what is undone.

use super::RunRecord;
use serde::{Deserialize, Serialize};
use snapback_core::event::EventKind;
use snapback_core::host::HostName;
use snapback_core::outcome::HostResult;
use snapback_core::rollout::{Budget, Course};
use std::collections::{BTreeMap, BTreeSet};

/// What had become of a run before the one that goes on with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// How many hosts had failed.
    pub failed: usize,
    /// The host whose failure was one too many, and the number of its batch.
    pub broke: Option<(HostName, usize)>,
    /// The hosts that were confirmed and not undone.
    pub confirmed: Vec<Earlier>,
    /// The number of the batch whose bake was interrupted.
    pub baking: Option<usize>,
}

/// A host that was confirmed before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// The host.
    pub host: HostName,
    /// The run that has changed it.
    pub run: String,
    /// The number of its batch.
    pub batch: usize,
    /// Why it is to be undone: that had been decided, and wasn't done.
    pub due: Option<String>,
}

impl Before {
    /// Returns whether a host is to be undone whatever becomes of the others.
    #[must_use]
    pub fn is_due(&self, host: &HostName) -> bool {
        self.confirmed.iter().any(|earlier| earlier.host == *host && earlier.due.is_some())
    }

    /// Returns whether something is left to do for the hosts that were confirmed.
    #[must_use]
    pub fn owes(&self, course: &Course) -> bool {
        let is_over = course.budget.is_exceeded(self.failed);
        let failed_in = self.broke.as_ref().map(|(_, batch)| *batch).filter(|_| is_over);
        self.confirmed.iter().any(|earlier| {
            let covers = |failed_in| course.rollback_scope.covers(failed_in, earlier.batch);
            earlier.due.is_some() || self.baking == Some(earlier.batch) || failed_in.is_some_and(covers)
        })
    }
}

impl RunRecord {
    /// Returns what the run, and those that it went on with, had come to. `settled` are hosts of whose end the record
    /// says nothing, and that have said that they are confirmed; `left` are those that are tried again.
    #[must_use]
    pub fn before(&self, settled: &[HostName], left: &[HostName]) -> Before {
        let confirmed = self.still_confirmed(settled);
        // Those are judged anew, by what becomes of them now.
        let is_open =
            |host: &HostName| left.contains(host) || confirmed.iter().any(|earlier| earlier.host == *host);
        let results = self.results();
        let failed = results.iter().filter(|(host, result)| Budget::counts(**result) && !is_open(host));
        Before {
            failed: self.header.before.failed + failed.count(),
            broke: self.header.before.broke.clone().or_else(|| self.breaker()),
            baking: self.owed_bake(left, &confirmed),
            confirmed,
        }
    }

    /// Returns the transactions by which it was to undo hosts that had been confirmed, and of whose end nothing is known.
    #[must_use]
    pub fn maybe_undone(&self) -> Vec<(&HostName, &str)> {
        let results = self.results();
        let open = |host: &HostName| {
            matches!(results.get(host), None | Some(HostResult::Confirmed | HostResult::Unknown))
        };
        let begun = self.undos.iter().map(|undo| (&undo.host.host, undo.host.run.as_str()));
        begun.filter(|(host, _)| open(host)).collect()
    }

    fn still_confirmed(&self, settled: &[HostName]) -> Vec<Earlier> {
        let (results, due) = (self.results(), self.due());
        let known = self.header.before.confirmed.iter().cloned();
        let mut confirmed = self.confirmed();
        confirmed.extend(settled);
        let own = self.header.hosts.iter().enumerate().filter(|(_, host)| confirmed.contains(host));
        let own = own.filter_map(|(at, host)| {
            let (host, run) = (host.clone(), self.header.run.clone());
            Some(Earlier { host, run, batch: self.header.course.batch_of(at)?, due: None })
        });
        let not_undone = |host: &Earlier| results.get(&host.host) != Some(&HostResult::RolledBack);
        let judged = |host: Earlier| Earlier { due: due.get(&host.host).cloned().or(host.due), ..host };
        known.chain(own).filter(not_undone).map(judged).collect()
    }

    /// The hosts that were confirmed at some time.
    fn confirmed(&self) -> BTreeSet<&HostName> {
        let confirmed = self.events.iter().filter(|event| {
            matches!(event.kind, EventKind::HostFinished { result: HostResult::Confirmed, .. })
        });
        confirmed.filter_map(|event| event.host.as_ref()).collect()
    }

    /// The hosts that were to be undone, and why.
    fn due(&self) -> BTreeMap<HostName, String> {
        let mut due = BTreeMap::new();
        for event in &self.events {
            match (&event.host, &event.kind) {
                (_, EventKind::ScopeUndone { because, hosts }) => {
                    let cause = format!("undone because {because} failed");
                    due.extend(hosts.iter().map(|host| (host.clone(), cause.clone())));
                }
                (Some(host), EventKind::GoingBack { cause, .. }) => {
                    due.insert(host.clone(), cause.clone());
                }
                _ => {}
            }
        }
        due
    }

    /// The host whose failure was one too many, by the order in which they ended.
    fn breaker(&self) -> Option<(HostName, usize)> {
        let mut failed = BTreeSet::new();
        for event in &self.events {
            let (Some(host), EventKind::HostFinished { result, .. }) = (&event.host, &event.kind) else {
                continue;
            };
            if Budget::counts(*result) {
                failed.insert(host);
            }
            if self.header.course.budget.is_exceeded(self.header.before.failed + failed.len()) {
                return Some((host.clone(), self.batch_of(host)?));
            }
        }
        None
    }

    fn batch_of(&self, host: &HostName) -> Option<usize> {
        let own = self.header.hosts.iter().position(|other| other == host);
        let earlier = || self.header.before.confirmed.iter().find(|earlier| earlier.host == *host);
        own.and_then(|at| self.header.course.batch_of(at)).or_else(|| Some(earlier()?.batch))
    }

    /// The batch that has to be baked: its bake was interrupted, or all its hosts had come to their end and it was not
    /// begun yet.
    fn owed_bake(&self, left: &[HostName], confirmed: &[Earlier]) -> Option<usize> {
        let has_changed = |batch: usize| confirmed.iter().any(|earlier| earlier.batch == batch);
        let is_left = |batch: usize| left.iter().any(|host| self.batch_of(host) == Some(batch));
        let is_baked = !self.header.course.bake.is_zero();
        let last = self.events.iter().rev().find_map(|event| match event.kind {
            EventKind::BakeStarted { batch, .. } => Some(Some(batch)),
            EventKind::BatchStarted { batch, .. } => {
                Some(Some(batch).filter(|batch| is_baked && has_changed(*batch) && !is_left(*batch)))
            }
            EventKind::GateReached { .. }
            | EventKind::RolloutEnded { .. }
            | EventKind::RunFinished { .. } => Some(None),
            _ => None,
        });
        last.flatten()
    }
}
