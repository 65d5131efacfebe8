//! Hosts of which the same is told, so that those stand out of which something else is.

use super::StatusRow;
use crate::names::without_name;
use std::collections::HashMap;

/// Rows of which the same is told; the first stands for all of them.
pub(super) struct Alike<'a> {
    pub(super) first: &'a StatusRow,
    /// The one that has been at rest for longest: its age holds for all.
    pub(super) oldest: &'a StatusRow,
    pub(super) hosts: usize,
}

/// What makes two hosts alike.
#[derive(PartialEq, Eq, Hash)]
enum Kind<'a> {
    /// Nothing was ever done there, as far as it knows.
    Blank,
    /// Nothing is open, and this is how it ended last: transaction, result, owner.
    AtRest(&'a str, &'a str, &'a str),
    /// It could not be asked, for this reason.
    Unread(String),
    /// Somebody has to know of this very one.
    ByItself(usize),
}

/// Puts alike hosts together, in the order of the first of each kind. What is open, held or broken stays by itself.
pub(super) fn alike(rows: &[StatusRow]) -> Vec<Alike<'_>> {
    let mut folded: Vec<Alike<'_>> = Vec::new();
    let mut known = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        let place = *known.entry(kind(row, at)).or_insert(folded.len());
        match folded.get_mut(place) {
            None => folded.push(Alike { first: row, oldest: row, hosts: 1 }),
            Some(alike) => {
                alike.hosts += 1;
                if age(row) > age(alike.oldest) {
                    alike.oldest = row;
                }
            }
        }
    }
    folded
}

fn kind(row: &StatusRow, at: usize) -> Kind<'_> {
    let broken = row.items.iter().chain(row.last.iter().flat_map(|last| &last.items)).next();
    if row.pending.is_some() || row.lease.is_some() || broken.is_some() {
        return Kind::ByItself(at);
    }
    match (&row.error, &row.last) {
        (Some(error), _) => Kind::Unread(without_name(error, row.host.as_str())),
        (None, Some(last)) => Kind::AtRest(&last.tx, &last.result, &last.owner),
        (None, None) => Kind::Blank,
    }
}

fn age(row: &StatusRow) -> u64 {
    row.last.as_ref().map_or(0, |last| last.ended_age_secs)
}
