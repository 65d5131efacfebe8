//! The blocks of an examination: one for each host, or one for all hosts of which the same is found to be wrong.

use super::{DoctorRow, Health};
use crate::names::{joined, shown, without_name};
use crate::quantity::count;
use std::collections::HashMap;

/// Up to so many hosts of a block are all named; of more, a few.
const MOST_NAMES: usize = 20;
const A_FEW: usize = 5;

/// Hosts, and what was found of each: as it reads for the first of them.
pub(super) struct Block<'a> {
    hosts: Vec<&'a str>,
    pub(super) rows: Vec<&'a DoctorRow>,
}

impl Block<'_> {
    pub(super) fn head(&self) -> String {
        let names = joined(&self.hosts, shown(self.hosts.len(), MOST_NAMES, A_FEW));
        match self.hosts.len() {
            1 => names,
            many => format!("{names} ({}; told of the first)", count(many, "host")),
        }
    }
}

/// Returns a block for each host.
pub(super) fn each(rows: &[DoctorRow]) -> Vec<Block<'_>> {
    let of_host = rows.chunk_by(|a, b| a.host == b.host);
    of_host.map(|rows| Block { hosts: vec![rows[0].host.as_str()], rows: rows.iter().collect() }).collect()
}

/// Returns the blocks of what isn't as it should be, and how many hosts are left of which nothing is wrong.
pub(super) fn alike(rows: &[DoctorRow]) -> (Vec<Block<'_>>, usize) {
    let mut folded: Vec<Block<'_>> = Vec::new();
    let mut known = HashMap::new();
    let mut good = 0;
    for mut block in each(rows) {
        block.rows.retain(|row| row.ok != Health::Good);
        if block.rows.is_empty() {
            good += 1;
            continue;
        }
        let key: Vec<_> = block.rows.iter().map(|row| key(row)).collect();
        let at = *known.entry(key).or_insert(folded.len());
        match folded.get_mut(at) {
            Some(alike) => alike.hosts.append(&mut block.hosts),
            None => folded.push(block),
        }
    }
    (folded, good)
}

fn key(row: &DoctorRow) -> (&str, Health, String, String) {
    let nameless = |text: &str| without_name(text, &row.host);
    (&row.item, row.ok, nameless(&row.found), nameless(&row.mend))
}
