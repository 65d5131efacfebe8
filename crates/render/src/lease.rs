//! Who is about to change a host.

use crate::quantity::{age, limit};
use snapback_core::lease::{Lease, Origin};
use std::time::Duration;

/// Tells whose lease it is, since when and for how long. Any part may hold what a terminal would obey.
#[must_use]
pub fn holds(lease: &Lease) -> String {
    let ends = limit(Duration::from_secs(lease.left));
    let what = what_for(&lease.origin, &lease.comment);
    format!(
        "{} since {} for run {}, which is about to begin (ends in {ends} unless renewed){what}",
        lease.owner,
        age(lease.age),
        lease.run
    )
}

/// What a run is for and where it was started, behind a colon; nothing where neither is known.
pub(crate) fn what_for(origin: &Origin, comment: &str) -> String {
    let parts = [comment.to_owned(), origin.told()].into_iter().filter(|part| !part.is_empty());
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
}
