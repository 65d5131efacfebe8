//! Hosts that other runs hold: nothing of a batch is begun before all of it is free, and kept for this run.
//!
//! Leases are asked for side by side. Of two runs that meet while both collect, the older keeps what it has and asks
//! again, the younger gives all back: so one of them goes on, and neither waits for the other.

use crate::host::HostTask;
use crate::run::{KEPT_OPEN, Run};
use futures::stream::{self, StreamExt};
use snapback_core::lifecycle::State;
use snapback_core::rollout::{Ending, Input};
use std::time::Duration;
use tokio::time::{Instant, interval};

/// How long a run may take to collect its leases; so long an older one waits for it to give them back.
const COLLECTING: Duration = Duration::from_secs(10);

/// How often it is looked whether the run was stopped.
const LOOK: Duration = Duration::from_millis(250);

/// How a run deals with others that want the same hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locking {
    /// Not at all: nothing will be changed, or nobody else is there.
    #[default]
    Off,
    /// Leases are taken once somebody has agreed to the plan.
    OnceAgreed {
        /// How long whoever holds a host is waited for.
        wait: Duration,
    },
    /// They are taken while looking, without a round trip more: the plan is agreed to already.
    AtOnce {
        /// How long whoever holds a host is waited for.
        wait: Duration,
    },
}

/// Which leases are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Those that ride on the look.
    AtLook,
    /// Those of all hosts of a batch that will change.
    Batch {
        /// A session that is opened for it is kept for beginning.
        keep_session: bool,
    },
}

impl Locking {
    fn wait(self) -> Duration {
        match self {
            Self::Off => Duration::ZERO,
            Self::OnceAgreed { wait } | Self::AtOnce { wait } => wait,
        }
    }
}

impl Run {
    /// After a first look: waits for hosts that others hold, as long as may be, and looks at them again. Returns whether
    /// all are free.
    pub(crate) async fn free_all(&mut self) -> bool {
        let all: Vec<usize> = (0..self.tasks.len()).collect();
        self.shared.locking == Locking::Off || self.secure(&all, Claim::AtLook).await
    }

    /// Takes the leases of a batch's hosts, all or none. Returns whether the batch may be begun.
    pub(crate) async fn secure_batch(&mut self, batch: usize) -> bool {
        let members = self.shared.course.batches.get(batch).map(|b| b.hosts.clone()).unwrap_or_default();
        let to_change = members.iter().filter(|at| self.tasks[**at].state == State::Planned).count();
        // Of a single host its own lock says as much.
        if self.shared.locking == Locking::Off || to_change < 2 {
            return true;
        }
        self.secure(&members, Claim::Batch { keep_session: members.len() <= KEPT_OPEN }).await
    }

    /// The first batch's, before anything else is done; behind a gate its turn comes later.
    pub(crate) async fn secure_first(&mut self) -> bool {
        self.shared.course.begins_at_gate || self.secure_batch(0).await
    }

    /// Tells of the hosts that others hold. Returns why the run ends.
    pub(crate) fn end_held(&mut self) -> Ending {
        let ending = self.halt.why().unwrap_or(Ending::Held);
        if ending == Ending::Held {
            self.tasks.iter_mut().for_each(HostTask::end_held);
        }
        ending
    }

    pub(super) fn held_input(&mut self) -> Input {
        match self.end_held() {
            Ending::Held => Input::Held,
            Ending::Interrupted => Input::Interrupted,
            _ => Input::Aborted,
        }
    }

    /// Gives back the leases of hosts that were never begun.
    pub(crate) async fn give_back(&mut self) {
        let parallel = self.shared.spec.connect_parallel.max(1);
        let giving = self.tasks.iter_mut().map(HostTask::give_back);
        stream::iter(giving).buffer_unordered(parallel).collect::<()>().await;
    }

    async fn secure(&mut self, members: &[usize], claim: Claim) -> bool {
        let began = Instant::now();
        let until = began + self.shared.locking.wait();
        let mut has_just_looked = claim == Claim::AtLook;
        loop {
            if !std::mem::take(&mut has_just_looked) {
                self.seek(members, claim).await;
            }
            let held = members.iter().filter_map(|at| self.tasks[*at].holder());
            let run = &self.shared.spec.run;
            let (mut any, mut younger) = (false, true);
            for holder in held {
                any = true;
                younger &= holder.yields_to(run, COLLECTING.as_secs());
            }
            if !any {
                return true;
            }
            if !younger {
                self.give_back().await;
            }
            let until = if younger { until.max(began + COLLECTING) } else { until };
            if Instant::now() >= until || !self.await_free(members, until).await {
                self.give_back().await;
                return false;
            }
        }
    }

    async fn seek(&mut self, members: &[usize], claim: Claim) {
        let parallel = self.shared.spec.parallel.max(1);
        let seeking = self.tasks.iter_mut().enumerate().filter(|(at, _)| members.binary_search(at).is_ok());
        let seeking = seeking.map(|(_, task)| task.seek(claim));
        stream::iter(seeking).buffer_unordered(parallel).collect::<()>().await;
    }

    /// Waits until nobody holds these hosts. Returns whether it may be tried again: not once the run was stopped.
    async fn await_free(&mut self, members: &[usize], until: Instant) -> bool {
        let (halt, signals) = (self.halt.clone(), self.signals.clone());
        let waiting = self.tasks.iter_mut().enumerate().filter(|(at, _)| members.binary_search(at).is_ok());
        let waiting = waiting.map(|(_, task)| task.await_free(until));
        let parallel = self.shared.spec.parallel.max(1);
        let mut waiting = Box::pin(stream::iter(waiting).buffer_unordered(parallel).collect::<()>());
        let mut look = interval(LOOK);
        loop {
            tokio::select! {
                () = &mut waiting => return halt.why().is_none(),
                _ = look.tick() => {
                    signals.pull(&halt);
                    if halt.why().is_some() {
                        return false;
                    }
                }
            }
        }
    }
}
