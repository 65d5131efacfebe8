//! Slow hosts, named while they are slow.

use crate::board::{SLOW_MS, Slow};
use crate::names::joined;
use crate::quantity::count;
use crate::telling::Line;
use crate::wording::seconds;
use std::collections::{BTreeMap, HashMap};

/// How many slow hosts have a line of their own at a time.
const MOST_LINES: usize = 3;

/// Which slow hosts were named, and after how long the last time.
#[derive(Debug, Default)]
pub(super) struct SlowOnes {
    /// By host: since when it is at its step, and after how long at it it is named again.
    named: HashMap<String, (u64, u64)>,
}

impl SlowOnes {
    /// Returns the lines of those that are due: each once, and again whenever it has taken twice as long.
    pub(super) fn due(&mut self, slow: Vec<Slow<'_>>, now_ms: u64) -> Vec<Line> {
        let due: Vec<_> = slow.into_iter().filter(|slow| self.is_due(slow, now_ms)).collect();
        if due.len() <= MOST_LINES {
            return due.iter().map(|slow| one(slow, now_ms)).collect();
        }
        let mut alike: BTreeMap<&str, Vec<&Slow<'_>>> = BTreeMap::new();
        for slow in &due {
            alike.entry(slow.word).or_default().push(slow);
        }
        alike.values().map(|slow| several(slow, now_ms)).collect()
    }

    fn is_due(&mut self, slow: &Slow<'_>, now_ms: u64) -> bool {
        let (since_ms, after_ms) = self.named.entry(slow.host.to_owned()).or_insert((slow.since_ms, SLOW_MS));
        if *since_ms != slow.since_ms {
            (*since_ms, *after_ms) = (slow.since_ms, SLOW_MS);
        }
        let at_it_ms = now_ms.saturating_sub(slow.since_ms);
        let due = at_it_ms >= *after_ms;
        while *after_ms <= at_it_ms {
            *after_ms = after_ms.saturating_mul(2);
        }
        due
    }
}

fn one(slow: &Slow<'_>, now_ms: u64) -> Line {
    let guard = slow.undoes_at_ms.map(|at| at.saturating_sub(now_ms).div_ceil(1_000));
    let guard = match guard {
        None => String::new(),
        Some(0) => "; the guard undoes now".to_owned(),
        Some(left) => format!("; the guard undoes in {}", seconds(left)),
    };
    let at_it = seconds(now_ms.saturating_sub(slow.since_ms) / 1_000);
    let text = format!("slow: {} for {at_it}{guard}", slow.label);
    Line { host: slow.host.to_owned(), ..Line::of_run(text) }
}

fn several(slow: &[&Slow<'_>], now_ms: u64) -> Line {
    let hosts: Vec<_> = slow.iter().map(|slow| slow.host).collect();
    let longest =
        slow.iter().map(|slow| now_ms.saturating_sub(slow.since_ms) / 1_000).max().unwrap_or_default();
    let word = slow.first().map_or("", |slow| slow.word);
    let names = joined(&hosts, MOST_LINES);
    Line::of_run(format!(
        "slow: {} {word} for up to {} ({names})",
        count(hosts.len(), "host"),
        seconds(longest)
    ))
}
