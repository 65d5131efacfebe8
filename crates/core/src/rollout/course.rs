//! The course of a run: its batches and its rules, worked out.

use super::{Batch, BatchKind, Budget, RollbackScope};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a gate waits, if nothing else is said.
pub const GATE_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// What a host means that can't be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unreachable {
    /// It counts as a failure.
    #[default]
    Fail,
    /// It is left out.
    Skip,
}

/// Which hosts are confirmed or undone as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfirmScope {
    /// Each by itself.
    #[default]
    Host,
    /// All hosts of a batch that change: none is confirmed before all have passed.
    Batch,
}

/// Where a run ends by wish: `--stop-after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopAfter {
    /// After the canary.
    Canary,
    /// After the batch with this number.
    Batch(usize),
}

/// In which batches a run goes over its hosts, and by which rules: plain data, known before any host is contacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// The batches, in order; each host of the run is in exactly one.
    pub batches: Vec<Batch>,
    /// The run may stop before its end: a canary, a list of batches or a budget was asked for.
    pub staged: bool,
    /// How many hosts may fail.
    pub budget: Budget,
    /// What a failure that stops the run also undoes.
    #[serde(default)]
    pub rollback_scope: RollbackScope,
    /// How long the checks go on before the next batch; zero: not at all.
    pub bake: Duration,
    /// Whether somebody must promote the run after the canary.
    pub gate: bool,
    /// Whether the gate comes before the first batch: the run that this one goes on with had come so far.
    pub begins_at_gate: bool,
    /// How long the gate waits before it counts as an abort.
    pub gate_timeout: Duration,
    /// What a host means that can't be reached.
    pub unreachable: Unreachable,
    /// Which hosts are confirmed together. Records of runs before there was a choice don't say.
    #[serde(default)]
    pub confirm_scope: ConfirmScope,
    /// The longest that nothing may become of a batch's hosts, before no more of them are started; `None`: no limit.
    pub progress_deadline: Option<Duration>,
    /// Where to end by wish.
    pub stop_after: Option<StopAfter>,
}

impl Course {
    /// Returns a course over `all` hosts in one batch, without a budget.
    #[must_use]
    pub fn in_one_batch(all: usize) -> Self {
        let batch = Batch { number: 1, kind: BatchKind::Serial, hosts: (0..all).collect(), with: Vec::new() };
        Self {
            batches: if all == 0 { Vec::new() } else { vec![batch] },
            staged: false,
            budget: Budget::Unlimited,
            rollback_scope: RollbackScope::Host,
            bake: Duration::ZERO,
            gate: false,
            begins_at_gate: false,
            gate_timeout: GATE_TIMEOUT,
            unreachable: Unreachable::Fail,
            confirm_scope: ConfirmScope::Host,
            progress_deadline: None,
            stop_after: None,
        }
    }

    /// Returns the index of the last canary batch, if there is a canary.
    #[must_use]
    pub fn last_canary(&self) -> Option<usize> {
        self.batches.iter().rposition(|batch| batch.kind == BatchKind::Canary)
    }

    /// Returns the index of the batch after which the run ends by wish, if it does before its end.
    #[must_use]
    pub fn stops_after(&self) -> Option<usize> {
        match self.stop_after? {
            StopAfter::Canary => self.last_canary(),
            StopAfter::Batch(number) => self.batches.iter().position(|batch| batch.number == number),
        }
    }

    /// Returns the number of the batch that the host at this position is in.
    #[must_use]
    pub fn batch_of(&self, host: usize) -> Option<usize> {
        let batch = self.batches.iter().find(|batch| batch.hosts.binary_search(&host).is_ok());
        batch.map(|batch| batch.number)
    }

    /// Returns whether the gate is after the batch with this index.
    #[must_use]
    pub fn has_gate_after(&self, batch: usize) -> bool {
        self.gate && self.last_canary() == Some(batch)
    }
}
