//! Batches: who is worked on together, and in which order.

use crate::host::HostName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a batch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchKind {
    /// The first hosts, which show whether the change is any good.
    Canary,
    /// One of the batches after it.
    Serial,
}

/// Hosts that are worked on together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its number, from 1: what `--stop-after` names.
    pub number: usize,
    /// What it is for.
    pub kind: BatchKind,
    /// Positions among the hosts of the run, ascending.
    pub hosts: Vec<usize>,
    /// Hosts that are no part of the run and that these are confirmed as one with: the run that this one goes on with has
    /// confirmed them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<HostName>,
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            BatchKind::Canary => write!(f, "batch {} (canary)", self.number),
            BatchKind::Serial => write!(f, "batch {}", self.number),
        }
    }
}

/// A part of the hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Share {
    /// So many hosts.
    Hosts(usize),
    /// So many percent of all hosts of the run: rounded down, and at least one host.
    Percent(u8),
}

impl Share {
    /// Returns the number of hosts that it comes to, of `all`.
    #[must_use]
    pub fn of(self, all: usize) -> usize {
        match self {
            Self::Hosts(hosts) => hosts.max(1),
            Self::Percent(percent) => (all * usize::from(percent) / 100).max(1),
        }
    }
}

/// How a run is cut into batches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// Positions of the hosts that go first, ascending; empty when there is no canary.
    pub canary: Vec<usize>,
    /// The sizes of the batches that cover the rest; the last repeats. Empty: all of it in one.
    pub serial: Vec<Share>,
}

/// Returns the batches of a run on `all` hosts, each host in exactly one, in inventory order: the canary, then the rest.
///
/// `apart` tells whether two hosts may not be in one batch (one is reached through the other); a batch in which two of
/// them meet is cut in two before the second.
#[must_use]
pub fn sequence(all: usize, sequence: &Sequence, apart: impl Fn(usize, usize) -> bool) -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut add = |kind, hosts: &[usize]| {
        for hosts in cut_apart(hosts, &apart) {
            batches.push(Batch { number: batches.len() + 1, kind, hosts, with: Vec::new() });
        }
    };
    add(BatchKind::Canary, &sequence.canary);
    let first: std::collections::BTreeSet<usize> = sequence.canary.iter().copied().collect();
    let rest: Vec<usize> = (0..all).filter(|host| !first.contains(host)).collect();
    let mut rest = rest.as_slice();
    let mut shares = sequence.serial.iter().peekable();
    while !rest.is_empty() {
        let share = if shares.len() > 1 { shares.next() } else { shares.peek().copied() };
        let size = share.map_or(rest.len(), |share| share.of(all)).min(rest.len());
        let (hosts, later) = rest.split_at(size);
        add(BatchKind::Serial, hosts);
        rest = later;
    }
    batches
}

/// Cuts batches in which hosts meet that may not, as [`sequence`] does; numbers follow.
#[must_use]
pub fn kept_apart(batches: &[Batch], apart: impl Fn(usize, usize) -> bool) -> Vec<Batch> {
    let parts = batches.iter().flat_map(|batch| {
        let parts = cut_apart(&batch.hosts, &apart);
        parts.into_iter().map(|hosts| (batch.kind, hosts))
    });
    parts
        .enumerate()
        .map(|(at, (kind, hosts))| Batch { number: at + 1, kind, hosts, with: Vec::new() })
        .collect()
}

fn cut_apart(hosts: &[usize], apart: &impl Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for &host in hosts {
        match parts.last_mut() {
            Some(part) if !part.iter().any(|&other| apart(host, other)) => part.push(host),
            _ => parts.push(vec![host]),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sizes(all: usize, canary: usize, serial: &[Share]) -> Vec<usize> {
        let cut = Sequence { canary: (0..canary).collect(), serial: serial.to_vec() };
        sequence(all, &cut, |_, _| false).iter().map(|batch| batch.hosts.len()).collect()
    }

    #[test]
    fn the_canary_goes_first_percentages_are_of_all_and_the_last_size_repeats() {
        use Share::{Hosts, Percent};
        assert_eq!(sizes(30, 1, &[Hosts(5), Percent(50), Percent(100)]), [1, 5, 15, 9]);
        assert_eq!(sizes(10, 0, &[Hosts(1), Hosts(4)]), [1, 4, 4, 1]);
        assert_eq!(sizes(7, 0, &[Percent(25)]), [1; 7], "floor");
        assert_eq!(sizes(3, 1, &[Percent(1)]), [1, 1, 1], "at least one");
        assert_eq!(sizes(4, 4, &[Hosts(2)]), [4], "nothing is left for a batch");
        assert_eq!(sizes(5, 0, &[]), [5], "one batch");
        assert_eq!(sizes(5, 2, &[]), [2, 3]);
        assert_eq!(sizes(0, 0, &[]), [0; 0]);
    }

    #[test]
    fn hosts_that_must_be_apart_cut_a_batch_and_keep_their_order() {
        let through_two = |a: usize, b: usize| a == 2 || b == 2;
        let batches = sequence(5, &Sequence::default(), through_two);
        let hosts: Vec<_> = batches.into_iter().map(|batch| batch.hosts).collect();
        assert_eq!(hosts, [vec![0, 1], vec![2], vec![3, 4]]);
    }

    #[test]
    fn batches_are_cut_later_as_they_would_have_been_at_first() {
        let through_two = |a: usize, b: usize| a == 2 || b == 2;
        let cut = Sequence { canary: vec![0], serial: vec![Share::Hosts(3)] };
        let batches = sequence(7, &cut, |_, _| false);
        let later = kept_apart(&batches, through_two);
        assert_eq!(later, sequence(7, &cut, through_two));
        assert_eq!(later.iter().map(|batch| batch.hosts.len()).collect::<Vec<_>>(), [1, 1, 1, 1, 3]);
    }

    fn share() -> impl Strategy<Value = Share> {
        prop_oneof![(1_usize..60).prop_map(Share::Hosts), (1_u8..=100).prop_map(Share::Percent)]
    }

    proptest! {
        #[test]
        fn every_host_is_in_one_batch_in_order_and_none_is_with_one_that_it_must_be_apart_from(
            all in 0_usize..200,
            canary in prop::collection::btree_set(0_usize..200, 0..8),
            serial in prop::collection::vec(share(), 0..5),
            jumps in prop::collection::btree_map(0_usize..200, 0_usize..200, 0..6),
        ) {
            let canary: Vec<usize> = canary.into_iter().filter(|host| *host < all).collect();
            let apart = |a: usize, b: usize| jumps.get(&a) == Some(&b) || jumps.get(&b) == Some(&a);
            let batches = sequence(all, &Sequence { canary: canary.clone(), serial: serial.clone() }, apart);
            let order: Vec<usize> = batches.iter().flat_map(|batch| batch.hosts.clone()).collect();
            let wanted: Vec<usize> =
                canary.iter().copied().chain((0..all).filter(|host| !canary.contains(host))).collect();
            prop_assert_eq!(order, wanted);
            for (at, batch) in batches.iter().enumerate() {
                prop_assert_eq!(batch.number, at + 1);
                prop_assert!(!batch.hosts.is_empty());
                prop_assert_eq!(batch.kind == BatchKind::Canary, canary.contains(&batch.hosts[0]));
                let most = serial.iter().map(|share| share.of(all)).max().unwrap_or(all);
                prop_assert!(batch.kind == BatchKind::Canary || batch.hosts.len() <= most);
                for (n, &a) in batch.hosts.iter().enumerate() {
                    prop_assert!(batch.hosts[n + 1..].iter().all(|&b| !apart(a, b)));
                }
            }
        }
    }
}
