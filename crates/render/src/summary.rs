//! The end of a run: what became of the hosts, and what a person has to do now.

mod failure;
mod hearsay;

use crate::names::{joined, without_name};
use crate::palette::Palette;
use crate::quantity::{count, elapsed, grouped};
use crate::subscriber::Subscriber;
use crate::wording::split;
use failure::{Failure, Failures};
use hearsay::Hearsay;
use snapback_core::event::Event;
use snapback_core::outcome::HostResult;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Write};

/// Collects a run and writes its summary when it is over: one line of counts, then warnings, then failures with
/// the worst last, where the eye is.
pub struct Summary {
    out: Box<dyn Write + Send>,
    palette: Palette,
    heard: Hearsay,
}

/// How many distinct warnings are shown, and how many names before each.
const MOST_WARNINGS: usize = 10;
const MOST_NAMES: usize = 10;

/// From good to worst: the order of the counts and of the failures.
fn weight(result: HostResult) -> u8 {
    match result {
        HostResult::Confirmed => 0,
        HostResult::Unchanged => 1,
        HostResult::Skipped => 2,
        HostResult::NotReached => 3,
        HostResult::Unreachable => 4,
        HostResult::Refused => 5,
        HostResult::RolledBack => 6,
        HostResult::Unknown => 7,
        HostResult::RollbackFailed => 8,
    }
}

impl Summary {
    /// Returns a summary that is written to `out` at the end.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, colour: bool) -> Self {
        Self { out, palette: Palette::new(colour), heard: Hearsay::default() }
    }

    /// Returns the summary of what has been heard so far.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.counts() + "\n";
        text.push_str(&self.warnings());
        text.push_str(&self.failures().render(self.palette));
        text.push_str(&self.splits());
        text
    }

    fn counts(&self) -> String {
        let mut by_weight = BTreeMap::new();
        let mut unfinished = 0;
        for (_, told) in self.heard.in_file_order() {
            match told.result() {
                Some(result) => by_weight.entry(weight(result)).or_insert((result, 0)).1 += 1,
                None => unfinished += 1,
            }
        }
        let part = |(result, n): &(HostResult, usize)| {
            self.palette.result(*result, &format!("{} {}", grouped(*n), result.word()))
        };
        let mut parts: Vec<_> = by_weight.values().map(part).collect();
        if unfinished > 0 {
            parts.push(self.palette.bad(&format!("{} without a result", grouped(unfinished))));
        }
        let counts = if parts.is_empty() { "no hosts".to_owned() } else { parts.join(", ") };
        format!("{counts} in {}", elapsed(self.heard.duration()))
    }

    fn warnings(&self) -> String {
        let mut folded: Vec<(String, Vec<&str>)> = Vec::new();
        let (mut known, mut named) = (HashMap::new(), HashSet::new());
        for (host, text) in self.heard.warnings() {
            let text = without_name(text, host);
            let at = *known.entry(text.clone()).or_insert(folded.len());
            if at == folded.len() {
                folded.push((text, Vec::new()));
            }
            if !host.is_empty() && named.insert((at, host)) {
                folded[at].1.push(host);
            }
        }
        let mut out = String::new();
        for (text, hosts) in folded.iter().take(MOST_WARNINGS) {
            let who =
                if hosts.is_empty() { String::new() } else { format!("{}: ", joined(hosts, MOST_NAMES)) };
            out.push_str(&format!("{}\n", self.palette.notable(&format!("  {who}{text}"))));
        }
        if folded.len() > MOST_WARNINGS {
            out.push_str(&format!("  and {}\n", count(folded.len() - MOST_WARNINGS, "other warning")));
        }
        out
    }

    /// Batches that were to be confirmed as one and are neither: every host is named, and both ways on.
    fn splits(&self) -> String {
        let told = self.heard.splits.iter().map(|(run, batch, hosts)| {
            let head = self.palette.bad(&format!("batch {batch} is SPLIT: its hosts were to be confirmed as one"));
            format!(
                "\n{head}\n  state now      {}\n  what to do     deploy resume {run}: changes the others as well, guarded\n  \
                 {:<14} deploy resume --undo {run}: undoes those that are confirmed, guarded\n",
                split(hosts), "or"
            )
        });
        told.collect()
    }

    fn failures(&self) -> Failures {
        let mut failures = Failures::default();
        for (host, told) in self.heard.in_file_order() {
            if told.result().is_none_or(|result| !result.is_good()) {
                failures.add(host, Failure::of(told));
            }
        }
        failures
    }
}

impl Subscriber for Summary {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        self.heard.hear(event);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let text = self.text();
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}
