//! `[rollout]`, worked out for the hosts of a run.

use super::Bench;
use crate::file::{RawCanary, RawRollout, too_many_canaries};
use crate::hosts::Chooser;
use crate::place::At;
use crate::problem::Problem;
use snapback_core::job::HostJob;
use snapback_core::rollout::{
    BatchKind, Budget, ConfirmScope, Course, GATE_TIMEOUT, JumpHosts, RollbackScope, Sequence, Threshold,
    sequence,
};
use std::time::Duration;

impl Bench<'_> {
    /// Works out the course of a run on the chosen hosts.
    pub(super) fn course(
        &mut self,
        rollout: &RawRollout,
        chooser: &Chooser<'_>,
        chosen: &[usize],
        jobs: &[HostJob],
    ) -> Course {
        let scope = rollout.rollback_scope.unwrap_or_default();
        let staged = rollout.canary.is_some()
            || !rollout.serial.is_empty()
            || rollout.max_failures.is_some()
            // A failure that undoes others is one that stops the run.
            || scope != RollbackScope::Host;
        let canary = self.canary(rollout, chooser, chosen);
        let jumps = JumpHosts::of(jobs);
        let cut = Sequence { canary, serial: rollout.serial.clone() };
        let batches = sequence(jobs.len(), &cut, |a, b| jumps.are_apart(a, b));
        let threshold = rollout.max_failures.as_ref().map_or(Threshold::Hosts(0), |budget| budget.value);
        self.judge_rollout(rollout, jobs);
        let has_canary = batches.iter().any(|batch| batch.kind == BatchKind::Canary);
        Course {
            batches,
            staged,
            budget: if staged { threshold.of(jobs.len()) } else { Budget::Unlimited },
            rollback_scope: scope,
            bake: rollout.bake_time.as_ref().map_or(Duration::ZERO, |time| time.value),
            gate: has_canary && rollout.auto_promote.as_ref().is_some_and(|auto| !auto.value),
            begins_at_gate: false,
            gate_timeout: rollout.gate_timeout.as_ref().map_or(GATE_TIMEOUT, |time| time.value),
            unreachable: rollout.unreachable.unwrap_or_default(),
            confirm_scope: ConfirmScope::Host,
            progress_deadline: rollout.progress_deadline.as_ref().map(|time| time.value),
            stop_after: None,
        }
    }

    /// Returns the positions of the canary among the chosen hosts.
    fn canary(&mut self, rollout: &RawRollout, chooser: &Chooser<'_>, chosen: &[usize]) -> Vec<usize> {
        let Some(canary) = &rollout.canary else { return Vec::new() };
        let all = chooser.hosts.len();
        match &canary.value {
            RawCanary::Number(number) if *number > all => {
                self.report.add(too_many_canaries(canary, *number, all));
                Vec::new()
            }
            RawCanary::Number(number) => (0..chosen.len().min(*number)).collect(),
            RawCanary::Selector(selector) => {
                let meant = chooser.choose(selector).unwrap_or_default();
                let canary: Vec<usize> =
                    (0..chosen.len()).filter(|at| meant.contains(&chosen[*at])).collect();
                if canary.is_empty() && !meant.is_empty() {
                    self.notes.push("there is no canary: --limit leaves all its hosts out".to_owned());
                }
                canary
            }
        }
    }

    /// Takes down what can't be meant, and notes what does nothing.
    fn judge_rollout(&mut self, rollout: &RawRollout, jobs: &[HostJob]) {
        let has_batches = rollout.canary.is_some() || !rollout.serial.is_empty();
        if let Some(bake) = rollout.bake_time.as_ref().filter(|_| !has_batches) {
            self.lonely(
                bake,
                "`bake_time` is waited between batches, and there is only one",
                "`canary` or `serial`",
            );
        }
        let gate = rollout.auto_promote.as_ref().filter(|auto| !auto.value);
        if let Some(gate) = gate.filter(|_| rollout.canary.is_none()) {
            self.lonely(gate, "the gate is after the canary, and there is none", "`canary`");
        }
        if let Some(timeout) = rollout.gate_timeout.as_ref().filter(|_| gate.is_none()) {
            self.lonely(timeout, "`gate_timeout` is for a gate, and there is none", "`auto_promote = false`");
        }
        if rollout.bake_time.is_some() && jobs.iter().all(|job| job.checks.is_empty()) {
            self.notes.push("`bake_time` only waits: there is no check that could fail meanwhile".to_owned());
        }
        if let Some(Threshold::Hosts(most)) = rollout.max_failures.as_ref().map(|budget| budget.value)
            && most >= jobs.len()
        {
            self.notes.push(format!("`max_failures` ({most}) never stops a run on {} hosts", jobs.len()));
        }
    }

    fn lonely<T>(&self, key: &At<T>, message: &str, missing: &str) {
        self.report.add(Problem::at(&key.place, message).hint(format!("add {missing}, or remove it")));
    }
}
