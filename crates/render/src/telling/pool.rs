//! Equal things about hosts: the first few are told one by one, the others together.

use super::{Line, folded};
use crate::palette::Tone;
use std::collections::HashMap;

/// How many of a kind are told one by one.
const FIRST: usize = 3;

/// How many kinds are told apart. More are as many failures as causes, and the end of the run tells of them.
const MOST_KINDS: usize = 50;

/// What is told once there are too many kinds.
const OTHERS: &str = "each for a reason of its own, told at the end";

/// The kinds met so far.
#[derive(Debug, Default)]
pub(super) struct Pools {
    pools: Vec<Pool>,
    known: HashMap<(String, &'static str), usize>,
}

#[derive(Debug)]
struct Pool {
    text: String,
    tone: Tone,
    /// How many were told one by one.
    told: usize,
    /// Those that were not told yet.
    waiting: Vec<String>,
}

impl Pools {
    /// Takes a line, equal to others but for the host's name; returns it if it is to be told at once.
    pub(super) fn take(&mut self, shared: String, line: Line, is_good: bool) -> Option<Line> {
        let pool = self.pool(shared, line.tone, is_good);
        if !is_good && pool.told < FIRST {
            pool.told += 1;
            return Some(line);
        }
        pool.waiting.push(line.host);
        None
    }

    /// Returns what was not told yet, of the kinds that are asked for.
    pub(super) fn drain(&mut self, wanted: impl Fn(Tone) -> bool) -> Vec<Line> {
        let waiting = self.pools.iter_mut().filter(|pool| !pool.waiting.is_empty() && wanted(pool.tone));
        let told = waiting.map(|pool| {
            let hosts = std::mem::take(&mut pool.waiting);
            folded(&hosts, pool.told > 0, &pool.text, pool.tone)
        });
        told.collect()
    }

    fn pool(&mut self, shared: String, tone: Tone, is_good: bool) -> &mut Pool {
        let word = match tone {
            Tone::Result(result) => result.word(),
            _ => "",
        };
        let mut key = (shared, word);
        if !is_good && !self.known.contains_key(&key) && self.pools.len() >= MOST_KINDS {
            key.0 = format!("{} {OTHERS}", word.to_uppercase()).trim_start().to_owned();
        }
        let at = *self.known.entry(key.clone()).or_insert(self.pools.len());
        if at == self.pools.len() {
            self.pools.push(Pool { text: key.0, tone, told: 0, waiting: Vec::new() });
        }
        &mut self.pools[at]
    }
}
