//! Failures: folded when they are the same, the worst last.

use super::hearsay::Told;
use super::weight;
use crate::names::{joined, shown, without_name};
use crate::palette::Palette;
use crate::quantity::{count, grouped};
use crate::told::{cut, one_line};
use snapback_core::event::visible;
use snapback_core::outcome::HostResult;
use std::collections::HashMap;

/// How many different failures are shown. More is a page that nobody reads; the record has them all.
const MOST_BLOCKS: usize = 20;

/// Up to so many hosts of one failure are all named; of more, a few.
const MOST_NAMES: usize = 20;
const A_FEW: usize = 5;

/// How many lines of a state or an advice are shown.
const MOST_LINES: usize = 12;

/// Why a host isn't as wanted, what it is like now, and what to do. Two hosts with equal failures are folded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Failure {
    /// `None`: the run ended before the host's result was heard.
    result: Option<HostResult>,
    cause: String,
    quoted: Vec<String>,
    state: Vec<String>,
    next: Vec<String>,
}

impl Failure {
    pub(super) fn of(told: &Told) -> Self {
        match &told.ending {
            Some(ending) => {
                let cause = one_line(&ending.cause);
                let quoted = without_repetition(&told.quoted, &cause);
                let state = lines_or(&ending.state, "not told: `deploy status` asks the host");
                Self { result: Some(ending.result), cause, quoted, state, next: lines(&ending.next) }
            }
            None => Self {
                result: None,
                cause: "the run ended before this host did".to_owned(),
                quoted: told.quoted.clone(),
                state: lines("not read: where a guard is armed, it decides by itself"),
                next: lines("deploy status"),
            },
        }
    }

    /// A host of which nothing was heard may be in any state, so it weighs most.
    fn weight(&self) -> u8 {
        self.result.map_or(u8::MAX, weight)
    }

    fn word(&self) -> &'static str {
        self.result.map_or("without a result", HostResult::word)
    }

    /// Returns it as it is told of all hosts that it befell: what to do can be typed for the first of them.
    fn of_all(self, first: &Self) -> Self {
        if self.next == first.next {
            return self;
        }
        let mut next = first.next.clone();
        next.push("and likewise for the others".to_owned());
        Self { next, ..self }
    }

    fn without_name(&self, host: &str) -> Self {
        let each = |lines: &[String]| lines.iter().map(|line| without_name(line, host)).collect();
        Self {
            result: self.result,
            cause: without_name(&self.cause, host),
            quoted: each(&self.quoted),
            state: each(&self.state),
            next: each(&self.next),
        }
    }

    fn render(&self, hosts: &[String], palette: Palette) -> String {
        let total =
            if hosts.len() > 1 { format!(" ({})", count(hosts.len(), "host")) } else { String::new() };
        let names = joined(hosts, shown(hosts.len(), MOST_NAMES, A_FEW));
        let head = format!("{names}{total}: {}", self.word());
        let mut what: Vec<_> = Some(self.cause.clone()).filter(|c| !c.is_empty()).into_iter().collect();
        what.extend(self.quoted.iter().cloned());
        let painted = self.result.map_or_else(|| palette.bad(&head), |r| palette.result(r, &head));
        format!(
            "\n{painted}\n{}{}{}",
            labelled("what happened", &what),
            labelled("state now", &self.state),
            labelled("what to do", &self.next)
        )
    }
}

/// The failures of a run, each with the hosts it befell.
#[derive(Debug, Default)]
pub(super) struct Failures {
    groups: Vec<Group>,
    known: HashMap<Failure, usize>,
}

#[derive(Debug)]
struct Group {
    /// As it was told of the first host, name and all.
    first: Failure,
    /// As it is told of all of them.
    shared: Failure,
    hosts: Vec<String>,
}

impl Failures {
    pub(super) fn add(&mut self, host: &str, failure: Failure) {
        let shared = failure.without_name(host);
        let at = *self.known.entry(shared.clone()).or_insert(self.groups.len());
        if at == self.groups.len() {
            self.groups.push(Group { first: failure, shared, hosts: Vec::new() });
        }
        self.groups[at].hosts.push(host.to_owned());
    }

    pub(super) fn render(mut self, palette: Palette) -> String {
        self.groups.sort_by_key(|group| group.first.weight());
        let hidden = self.groups.len().saturating_sub(MOST_BLOCKS);
        let mut out = String::new();
        if hidden > 0 {
            let hosts: usize = self.groups[..hidden].iter().map(|g| g.hosts.len()).sum();
            out.push_str(&format!(
                "\n{} other failures of {} are not shown here; `--output json` tells them all.\n",
                grouped(hidden),
                count(hosts, "host")
            ));
        }
        for group in &self.groups[hidden..] {
            let told = match group.hosts.len() {
                1 => group.first.clone(),
                _ => group.shared.clone().of_all(&group.first),
            };
            out.push_str(&told.render(&group.hosts, palette));
        }
        out
    }
}

fn labelled(label: &str, lines: &[String]) -> String {
    let mut out = String::new();
    for (at, line) in lines.iter().enumerate() {
        let label = if at == 0 { label } else { "" };
        out.push_str(&format!("  {label:<14} {line}\n"));
    }
    out
}

/// What the cause already says isn't said again.
fn without_repetition(quoted: &[String], cause: &str) -> Vec<String> {
    if quoted.iter().all(|line| cause.contains(line.trim_start_matches("  | "))) {
        return Vec::new();
    }
    let from = usize::from(quoted.first().is_some_and(|head| head == cause));
    quoted[from..].to_vec()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().filter(|l| !l.trim().is_empty()).take(MOST_LINES).map(|l| cut(&visible(l))).collect()
}

fn lines_or(text: &str, otherwise: &str) -> Vec<String> {
    let lines = lines(text);
    if lines.is_empty() { vec![otherwise.to_owned()] } else { lines }
}
