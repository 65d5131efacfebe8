//! What a run has left: which hosts, in which batches, and which batches that were to be confirmed as one are not.

use super::{Promise, RunRecord};
use snapback_core::event::{Event, EventKind};
use snapback_core::host::HostName;
use snapback_core::outcome::HostResult;
use snapback_core::rollout::{Batch, BatchKind, ConfirmScope, Course, Ending};
use std::collections::{BTreeMap, BTreeSet};

/// A batch that was to be confirmed as one and was not, or of which that isn't known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Its number.
    pub batch: usize,
    /// Its hosts that are confirmed.
    pub confirmed: Vec<HostName>,
    /// The others that took part.
    pub others: Vec<HostName>,
}

impl RunRecord {
    /// Returns the hosts that are not as wanted, in the run's order: failed, rolled back, unreachable, skipped, not
    /// reached, and those of whose end nothing is known.
    #[must_use]
    pub fn not_done(&self) -> Vec<HostName> {
        let results = self.results();
        let done = |host: &&HostName| {
            matches!(results.get(*host), Some(HostResult::Confirmed | HostResult::Unchanged))
        };
        // What an earlier run had confirmed, and this one has undone.
        let earlier = self.header.before.confirmed.iter().map(|earlier| &earlier.host);
        let undone = earlier.filter(|host| results.contains_key(*host));
        self.header.hosts.iter().chain(undone).filter(|host| !done(host)).cloned().collect()
    }

    /// Returns the hosts that may have been begun and of whose end nothing is known.
    #[must_use]
    pub fn maybe_begun(&self) -> Vec<HostName> {
        let results = self.results();
        let batches: Vec<&Vec<HostName>> = self
            .events
            .iter()
            .filter_map(|event| match &event.kind {
                EventKind::BatchStarted { hosts, .. } => Some(hosts),
                _ => None,
            })
            .collect();
        let turn_came = |host: &HostName| batches.iter().any(|hosts| hosts.contains(host));
        let is_staged = self.header.course.staged || self.header.course.batches.len() > 1;
        let planned = self.hosts.iter().map(|host| &host.host);
        let open = planned.filter(|host| !results.contains_key(*host) && (!is_staged || turn_came(host)));
        open.cloned().collect()
    }

    /// Returns the hosts that may still be open: begun and without an end that is known, or told as unknown.
    #[must_use]
    pub fn maybe_open(&self) -> Vec<HostName> {
        let unknown = self.results().into_iter().filter(|(_, result)| *result == HostResult::Unknown);
        self.maybe_begun().into_iter().chain(unknown.map(|(host, _)| host)).collect()
    }

    /// Returns the batches that were to be confirmed as one and were not, or of which that isn't known: each with those of
    /// its hosts that are not known to be confirmed, and those that are.
    #[must_use]
    pub fn torn(&self) -> Vec<Torn> {
        let results = self.results();
        let is_open = |promise: &&Promise| promise.hosts.iter().any(|host| !results.contains_key(host));
        let open = self.promises.iter().filter(is_open);
        let mut ends: BTreeMap<usize, BTreeMap<HostName, Option<HostResult>>> = BTreeMap::new();
        for promise in open {
            let hosts = promise.hosts.iter().map(|host| (host.clone(), results.get(host).copied()));
            ends.entry(promise.batch).or_default().extend(hosts);
        }
        for event in &self.events {
            let EventKind::BatchSplit { batch, hosts } = &event.kind else { continue };
            let named = hosts.iter().filter_map(|(host, told)| Some((HostName::parse(host).ok()?, *told)));
            // What was confirmed may have been undone since.
            let now = named.map(|(host, told)| {
                let result = results.get(&host).copied().unwrap_or(told);
                (host, Some(result))
            });
            ends.entry(*batch).or_default().extend(now);
        }
        let torn = ends.into_iter().map(|(batch, ends)| {
            let is_open = ends.values().any(Option::is_none);
            let is_confirmed = |end: &(HostName, Option<HostResult>)| end.1 == Some(HostResult::Confirmed);
            let (confirmed, others): (Vec<_>, Vec<_>) = ends.into_iter().partition(is_confirmed);
            let names = |ends: Vec<(HostName, _)>| ends.into_iter().map(|(host, _)| host).collect();
            (is_open, Torn { batch, confirmed: names(confirmed), others: names(others) })
        });
        torn.filter(|(is_open, torn)| *is_open || !torn.confirmed.is_empty()).map(|(_, torn)| torn).collect()
    }

    /// Returns the hosts to go on with, in the run's order: those whose turn had not come, and those of whose end nothing
    /// is known. Of a batch that is confirmed as one, all that aren't done or none.
    #[must_use]
    pub fn to_resume(&self) -> Vec<HostName> {
        let results = self.results();
        let is_left = |host: &HostName| matches!(results.get(host), None | Some(HostResult::NotReached));
        let mut left: BTreeSet<HostName> = self.header.hosts.iter().filter(|h| is_left(h)).cloned().collect();
        if self.header.course.confirm_scope == ConfirmScope::Batch {
            left.extend(self.torn().into_iter().flat_map(|torn| torn.others));
            let not_done: BTreeSet<HostName> = self.not_done().into_iter().collect();
            for batch in &self.header.course.batches {
                let hosts: Vec<&HostName> = self.hosts_of(batch).collect();
                if hosts.iter().any(|host| left.contains(*host)) {
                    left.extend(hosts.into_iter().filter(|host| not_done.contains(*host)).cloned());
                }
            }
        }
        self.header.hosts.iter().filter(|host| left.contains(*host)).cloned().collect()
    }

    /// Returns the course over the hosts that are left of a run, which `left` are in this order; the batches keep
    /// their numbers. `settled` have turned out to be confirmed.
    #[must_use]
    pub fn course_over(&self, left: &[HostName], settled: &[HostName]) -> Course {
        let at_of = |at: &usize| {
            let host = self.header.hosts.get(*at)?;
            left.iter().position(|other| other == host)
        };
        let recorded = &self.header.course;
        let rest = recorded.batches.iter().map(|batch| {
            let mut hosts: Vec<usize> = batch.hosts.iter().filter_map(at_of).collect();
            hosts.sort_unstable();
            Batch { hosts, with: self.confirmed_in(batch, settled), ..batch.clone() }
        });
        let batches: Vec<Batch> = rest.filter(|batch| !batch.hosts.is_empty()).collect();
        let begins_at_gate = self.begins_at_gate(&batches, settled);
        Course { batches, begins_at_gate, stop_after: None, ..recorded.clone() }
    }

    /// Returns whether somebody must promote the run before it goes on with the rest: its canary has changed something and
    /// is done, and nothing behind it was begun. By the batches and not by the event that tells of the gate: who was
    /// killed before it, or while the canary baked, was promoted by nobody.
    fn begins_at_gate(&self, rest: &[Batch], settled: &[HostName]) -> bool {
        let recorded = &self.header.course;
        let is_behind = |event: &Event| matches!(event.kind, EventKind::BatchStarted { kind, .. } if kind != BatchKind::Canary);
        // Whoever goes on with what was ended by wish has decided it.
        let is_over = self.events.iter().any(is_behind) || self.ending() == Some(Ending::AsAsked);
        let is_due = recorded.begins_at_gate || recorded.gate && self.has_changed_its_canary(settled);
        is_due && !is_over && rest.iter().all(|batch| batch.kind != BatchKind::Canary)
    }

    fn has_changed_its_canary(&self, settled: &[HostName]) -> bool {
        let results = self.results();
        let canary = self.header.course.batches.iter().filter(|batch| batch.kind == BatchKind::Canary);
        canary.flat_map(|batch| self.hosts_of(batch)).any(|host| is_confirmed(&results, settled, host))
    }

    fn hosts_of<'r>(&'r self, batch: &'r Batch) -> impl Iterator<Item = &'r HostName> {
        batch.hosts.iter().filter_map(|at| self.header.hosts.get(*at))
    }

    /// The hosts of a batch that is confirmed as one that are confirmed already.
    fn confirmed_in(&self, batch: &Batch, settled: &[HostName]) -> Vec<HostName> {
        if self.header.course.confirm_scope == ConfirmScope::Host {
            return Vec::new();
        }
        let results = self.results();
        let confirmed = self.hosts_of(batch).filter(|host| is_confirmed(&results, settled, host));
        confirmed.chain(&batch.with).cloned().collect()
    }
}

fn is_confirmed(results: &BTreeMap<HostName, HostResult>, settled: &[HostName], host: &HostName) -> bool {
    results.get(host) == Some(&HostResult::Confirmed) || settled.contains(host)
}
