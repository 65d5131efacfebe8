//! What has been heard of each host, as far as the end needs it.

use crate::told::last_lines;
use crate::wording::phrase;
use snapback_core::event::{CheckStatus, Event, EventKind};
use snapback_core::outcome::HostResult;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// How many of a failed check's last lines are quoted.
const QUOTED_LINES: usize = 5;

/// How many distinct things are quoted for one host.
const QUOTED_THINGS: usize = 10;

/// What has been heard of one host.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) ending: Option<Ending>,
    /// What failed checks printed and what an undo left broken, a line each, in the order heard.
    pub(super) quoted: Vec<String>,
    things: usize,
}

/// How a host ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) result: HostResult,
    pub(super) cause: String,
    pub(super) state: String,
    pub(super) next: String,
}

impl Told {
    pub(super) fn result(&self) -> Option<HostResult> {
        self.ending.as_ref().map(|ending| ending.result)
    }

    fn quote(&mut self, head: String, detail: &str) {
        self.things += 1;
        match self.things {
            1..=QUOTED_THINGS => {
                let (left_out, lines) = last_lines(detail, QUOTED_LINES);
                self.quoted.push(head);
                if left_out > 0 {
                    self.quoted.push(format!("  | ... ({left_out} more before)"));
                }
                self.quoted.extend(lines.into_iter().map(|line| format!("  | {line}")));
            }
            _ => {
                let rest = self.things - QUOTED_THINGS;
                if rest > 1 {
                    self.quoted.pop();
                }
                self.quoted.push(format!("and {rest} more"));
            }
        }
    }
}

/// What has been heard of a run.
#[derive(Debug, Default)]
pub(super) struct Hearsay {
    order: Vec<String>,
    hosts: HashMap<String, Told>,
    warnings: Vec<(String, String)>,
    /// Batches that were split: the run, the batch, and how its hosts ended.
    pub(super) splits: Vec<(String, usize, BTreeMap<String, HostResult>)>,
    began_ms: Option<u64>,
    latest_ms: u64,
    took_ms: Option<u64>,
}

impl Hearsay {
    pub(super) fn hear(&mut self, event: &Event) {
        self.began_ms.get_or_insert(event.at_ms);
        self.latest_ms = self.latest_ms.max(event.at_ms);
        match &event.kind {
            EventKind::RunStarted { hosts, .. } => {
                for host in hosts {
                    self.told(host.as_str());
                }
            }
            EventKind::RunFinished { hosts, ms, .. } => {
                self.took_ms = Some(*ms);
                for (host, result) in hosts {
                    self.told(host).ending.get_or_insert_with(|| Ending::bare(*result));
                }
            }
            EventKind::BatchSplit { batch, hosts } => {
                self.splits.push((event.run.clone(), *batch, hosts.clone()));
            }
            _ => self.hear_of_host(event),
        }
    }

    /// Returns every host of the run and what was heard of it, in file order.
    pub(super) fn in_file_order(&self) -> impl Iterator<Item = (&str, &Told)> {
        self.order.iter().filter_map(|host| self.hosts.get(host).map(|told| (host.as_str(), told)))
    }

    /// Returns the warnings with the host each is about; the name is empty where it is about the run.
    pub(super) fn warnings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.warnings.iter().map(|(host, text)| (host.as_str(), text.as_str()))
    }

    pub(super) fn duration(&self) -> Duration {
        let heard = self.latest_ms - self.began_ms.unwrap_or(self.latest_ms);
        Duration::from_millis(self.took_ms.unwrap_or(heard))
    }

    fn hear_of_host(&mut self, event: &Event) {
        let host = event.host.as_ref().map_or("", |h| h.as_str());
        match &event.kind {
            EventKind::Warning { .. } => self.warnings.push((host.to_owned(), phrase(&event.kind))),
            EventKind::CheckFinished { check, status, detail, required } => match status {
                CheckStatus::Passed => {}
                CheckStatus::Failed if *required => {
                    self.told(host).quote(phrase_of_check(check, "failed"), detail);
                }
                CheckStatus::Error if *required => {
                    self.told(host).quote(phrase_of_check(check, "could not be run"), detail);
                }
                _ => self.warnings.push((host.to_owned(), phrase(&event.kind))),
            },
            EventKind::UndoItem { item, ok: false, detail } => {
                self.told(host).quote(crate::told::one_line(&format!("not undone: {item}")), detail);
            }
            EventKind::HostFinished { result, cause, state, next, .. } => {
                let ending = Ending {
                    result: *result,
                    cause: cause.clone(),
                    state: state.clone(),
                    next: next.clone(),
                };
                self.told(host).ending = Some(ending);
            }
            _ => {}
        }
    }

    fn told(&mut self, host: &str) -> &mut Told {
        if !self.hosts.contains_key(host) {
            self.order.push(host.to_owned());
        }
        self.hosts.entry(host.to_owned()).or_default()
    }
}

impl Ending {
    /// An ending of which only the word was told.
    fn bare(result: HostResult) -> Self {
        Self { result, cause: String::new(), state: String::new(), next: String::new() }
    }
}

fn phrase_of_check(check: &str, said: &str) -> String {
    crate::told::one_line(&format!("check {check} {said}"))
}
