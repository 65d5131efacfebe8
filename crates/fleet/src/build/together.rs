//! Whether the hosts of a batch can be armed all at once and for as long as they wait for each other.

use super::Bench;
use crate::place::At;
use crate::problem::Problem;
use crate::reader::written;
use snapback_core::job::HostJob;
use snapback_core::rollout::{Batch, ConfirmScope, Course, Together};

impl Bench<'_> {
    /// Takes down what doesn't fit where the hosts of a batch are confirmed as one: of each sort the first batch.
    pub(super) fn judge_together(
        &self,
        scope: &At<ConfirmScope>,
        course: &Course,
        jobs: &[HostJob],
        (parallel, connect_parallel): (usize, usize),
    ) {
        if scope.value == ConfirmScope::Host {
            return;
        }
        // A host that is alone waits for nobody.
        let batches = || course.batches.iter().filter(|batch| batch.hosts.len() > 1);
        if let Some(batch) = batches().find(|batch| batch.hosts.len() > parallel) {
            self.report.add(too_many(scope, batch, parallel));
        }
        let too_long = batches().find_map(|batch| too_long(scope, batch, jobs, connect_parallel));
        if let Some(problem) = too_long {
            self.report.add(problem);
        }
    }
}

fn too_many(scope: &At<ConfirmScope>, batch: &Batch, parallel: usize) -> Problem {
    let hosts = batch.hosts.len();
    let message = format!(
        "`scope = \"batch\"` has all hosts of a batch armed at the same time: {batch} has {hosts}, and `parallel` is {parallel}"
    );
    let hint = format!(
        "raise `parallel` in [rollout] to {hosts} at least, or make the batches smaller with `serial`"
    );
    Problem::at(&scope.place, message).hint(hint)
}

fn too_long(
    scope: &At<ConfirmScope>,
    batch: &Batch,
    jobs: &[HostJob],
    connect_parallel: usize,
) -> Option<Problem> {
    let of_batch: Vec<&HostJob> = batch.hosts.iter().filter_map(|at| jobs.get(*at)).collect();
    let times = Together::of(&of_batch, connect_parallel);
    let needed = times.armed_at_most();
    let cap = of_batch.iter().map(|job| job.confirm.hard_cap).min().filter(|cap| needed > *cap)?;
    let message = format!(
        "with `scope = \"batch\"` a host of {batch} may wait armed for {}, and `hard_cap` is {}: beginning all {}, apply and \
         window of the slowest {}, extending all {}, confirming all {}",
        written(needed),
        written(cap),
        written(times.begin),
        written(times.pass),
        written(times.extend),
        written(times.confirm)
    );
    let hint = format!(
        "raise `hard_cap` in [confirm] to \"{}\" at least, or make the batches smaller with `serial`, or shorten `apply_timeout`",
        written(needed)
    );
    Some(Problem::at(&scope.place, message).hint(hint))
}
