//! Runs over thousands of hosts, as the engine would tell them: many at a time, in batches, each event at its time.

use crate::recorded::{BEGAN_MS, armed, check, ended, host, output, undo_item};
use snapback_core::event::{CheckStatus, Event, EventKind, VERSION};
use snapback_core::outcome::HostResult;
use snapback_core::rollout::{BatchKind, Ending};
use snapback_core::way::WayKind;
use std::collections::BTreeMap;

/// How a host fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Confirmed, after so many milliseconds.
    Works(u64),
    Unchanged,
    /// A check fails after so many milliseconds.
    Fails(u64),
    /// It is refused, for a reason of its own.
    Refused,
    Unreachable,
}

/// A run being recorded.
pub(crate) struct Fleet {
    names: Vec<String>,
    fates: Vec<Fate>,
    parallel: usize,
    events: Vec<Event>,
    now_ms: u64,
}

impl Fleet {
    pub(crate) fn new(fates: impl IntoIterator<Item = Fate>) -> Self {
        let fates: Vec<_> = fates.into_iter().collect();
        let names = (0..fates.len()).map(|at| format!("web{at:04}.example.org")).collect();
        Self { names, fates, parallel: 50, events: Vec::new(), now_ms: 0 }
    }

    /// One in a hundred of everything that goes wrong, and one that is slow.
    pub(crate) fn mixed(hosts: usize) -> Self {
        Self::new((0..hosts).map(|at| match at % 100 {
            13 => Fate::Fails(8_000),
            57 => Fate::Unreachable,
            83 => Fate::Unchanged,
            _ if at == hosts / 2 => Fate::Works(150_000),
            _ => Fate::Works(2_000 + (at as u64 * 37) % 6_000),
        }))
    }

    /// The whole run, in batches of these sizes; the first is the canary.
    pub(crate) fn in_batches(mut self, sizes: &[usize]) -> Vec<Event> {
        self.look();
        let mut rest: Vec<usize> = (0..self.fates.len()).collect();
        for (at, size) in sizes.iter().enumerate() {
            let members: Vec<_> = rest.drain(..(*size).min(rest.len())).collect();
            let kind = if at == 0 { BatchKind::Canary } else { BatchKind::Serial };
            let hosts = members.iter().map(|at| host(&self.names[*at])).collect();
            self.say(EventKind::BatchStarted { batch: at + 1, of: sizes.len(), kind, hosts });
            self.change(&members);
        }
        self.say(EventKind::RolloutEnded {
            ending: Ending::Complete,
            failures: self.failures(),
            not_reached: 0,
        });
        self.finish()
    }

    /// The whole run, in one batch.
    pub(crate) fn at_once(mut self) -> Vec<Event> {
        self.look();
        self.change(&(0..self.fates.len()).collect::<Vec<_>>());
        self.finish()
    }

    fn look(&mut self) {
        let hosts = self.names.iter().map(|name| host(name)).collect();
        self.say(EventKind::RunStarted { fleet: "shop".to_owned(), hosts });
        let all: Vec<_> = (0..self.fates.len()).collect();
        self.each(&all, |fleet, at| fleet.looked_at(at));
    }

    fn change(&mut self, members: &[usize]) {
        let begun: Vec<_> = members
            .iter()
            .copied()
            .filter(|at| matches!(self.fates[*at], Fate::Works(_) | Fate::Fails(_)))
            .collect();
        self.each(&begun, |fleet, at| fleet.changed(at));
    }

    /// Lets hosts go through their events, so many at a time.
    fn each(&mut self, hosts: &[usize], told: impl Fn(&Self, usize) -> Vec<(u64, EventKind)>) {
        let mut free_at = vec![self.now_ms; self.parallel];
        let mut events = Vec::new();
        for at in hosts {
            let slot = (0..self.parallel).min_by_key(|slot| free_at[*slot]).unwrap();
            for (after_ms, kind) in told(self, *at) {
                free_at[slot] += after_ms;
                events.push((free_at[slot], *at, kind));
            }
        }
        events.sort_by_key(|(at_ms, ..)| *at_ms);
        for (at_ms, at, kind) in events {
            self.now_ms = at_ms;
            self.tell(Some(at), kind);
        }
    }

    fn looked_at(&self, at: usize) -> Vec<(u64, EventKind)> {
        if self.fates[at] == Fate::Unreachable {
            let cause = format!("{}: connection timed out", self.names[at]);
            let state = "untouched: nothing was sent to it";
            return vec![(8_000, ended(HostResult::Unreachable, &cause, state, "see that it is up"))];
        }
        if self.fates[at] == Fate::Refused {
            let cause = format!("only {at} bytes are free");
            return vec![(
                500,
                ended(HostResult::Refused, &cause, "untouched: nothing was armed", "free some"),
            )];
        }
        let connected = EventKind::HostConnected { way: WayKind::Final, ms: 98 };
        let changes = usize::from(self.fates[at] != Fate::Unchanged);
        let mut told = vec![(200, connected), (300, EventKind::HostInspected { changes })];
        if changes == 0 {
            told.push((0, ended(HostResult::Unchanged, "", "as wanted already; untouched", "")));
        }
        told
    }

    fn changed(&self, at: usize) -> Vec<(u64, EventKind)> {
        let name = "config".to_owned();
        let (applies, fails) = match self.fates[at] {
            Fate::Fails(ms) => (500, Some(ms)),
            Fate::Works(ms) => (ms, None),
            Fate::Unchanged | Fate::Refused | Fate::Unreachable => (0, None),
        };
        let mut told = vec![
            (100, EventKind::Uploading { bytes: 12_400 }),
            (300, armed("systemd")),
            (5, EventKind::ChangeStarted { index: 0, name: name.clone() }),
            (100, output("config", "reloading")),
            (applies, EventKind::ChangeFinished { index: 0, name, ms: applies }),
            (0, EventKind::Applied { left: 83 }),
        ];
        let end = |result, cause: &str, state: &str, next: &str| ended(result, cause, state, next);
        match fails {
            None => told.extend([
                (3_000, check("healthz", CheckStatus::Passed, "HTTP 200")),
                (0, EventKind::Ready { left: 80 }),
                (0, EventKind::Confirming { attempt: 1 }),
                (150, end(HostResult::Confirmed, "", "the change is in place and confirmed", "")),
            ]),
            Some(ms) => told.extend([
                (ms, check("healthz", CheckStatus::Failed, "HTTP 500, wanted 200")),
                (0, EventKind::RollbackStarted { cause: "check healthz failed".to_owned() }),
                (400, undo_item("config", true, "")),
                (
                    0,
                    end(
                        HostResult::RolledBack,
                        "check healthz failed: HTTP 500, wanted 200",
                        "the old state is back, verified on the host",
                        "deploy retry",
                    ),
                ),
            ]),
        }
        told
    }

    fn failures(&self) -> usize {
        self.fates
            .iter()
            .filter(|fate| matches!(fate, Fate::Fails(_) | Fate::Refused | Fate::Unreachable))
            .count()
    }

    fn finish(mut self) -> Vec<Event> {
        let result = |fate: &Fate| match fate {
            Fate::Works(_) => HostResult::Confirmed,
            Fate::Unchanged => HostResult::Unchanged,
            Fate::Fails(_) => HostResult::RolledBack,
            Fate::Refused => HostResult::Refused,
            Fate::Unreachable => HostResult::Unreachable,
        };
        let hosts: BTreeMap<_, _> = self.names.iter().cloned().zip(self.fates.iter().map(result)).collect();
        let ms = self.now_ms;
        self.say(EventKind::RunFinished { hosts, exit_code: 1, ms });
        self.events
    }

    fn say(&mut self, kind: EventKind) {
        self.tell(None, kind);
    }

    fn tell(&mut self, at: Option<usize>, kind: EventKind) {
        let host = at.map(|at| host(&self.names[at]));
        let (v, at_ms, run) = (VERSION, BEGAN_MS + self.now_ms, "01RUN".to_owned());
        self.events.push(Event { v, at_ms, run, host, kind });
    }
}
