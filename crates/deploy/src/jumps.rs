//! A host that others are reached through is never in one batch with them, also where the user's own ssh configuration
//! and not the fleet file says so.

use crate::args::GlobalArgs;
use crate::wiring;
use snapback_core::rollout::{JumpHosts, kept_apart, names_of};
use snapback_core::way::Way;
use snapback_fleet::Fleet;
use std::collections::BTreeSet;

/// Cuts the batches in which they would meet.
pub(crate) async fn keep_apart(global: &GlobalArgs, fleet: &mut Fleet) -> anyhow::Result<()> {
    if fleet.course.batches.iter().all(|batch| batch.hosts.len() < 2) {
        return Ok(());
    }
    let ways: Vec<&Way> = fleet.jobs.iter().filter_map(|job| job.ways.first()).collect();
    let names: BTreeSet<&str> = fleet.jobs.iter().flat_map(names_of).collect();
    let added = wiring::ssh(global)?.jumps_of_user(&ways, &names).await;
    let jumps = JumpHosts::with(&fleet.jobs, &added);
    fleet.course.batches = kept_apart(&fleet.course.batches, |a, b| jumps.are_apart(a, b));
    Ok(())
}
