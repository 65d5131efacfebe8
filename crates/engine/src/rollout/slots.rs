//! Who may open a connection now, and who may be armed: so that no host is armed that could not be confirmed in time.
//!
//! Handshakes have slots, all of a run together and those through one jump host again. A first attempt to confirm or
//! to ask goes before everything else and has slots that nothing else takes; another attempt goes before a beginning,
//! but hosts that don't answer can't take all slots by trying again and again.

mod arms;
mod queue;

use arms::Arms;
use queue::{Held, Queue};
use snapback_core::deadline::{CONFIRM_MARGIN, window_least};
use snapback_core::job::HostJob;
use snapback_core::rollout::{THROUGH_ONE_JUMP_HOST, jumps_of};
use snapback_core::way::Way;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use arms::Armed;
pub(crate) use queue::Class;

/// The slots of a run.
#[derive(Debug)]
pub(crate) struct Slots {
    all: Lane,
    jumps: Mutex<BTreeMap<String, Arc<Lane>>>,
}

/// Slots for handshakes, and how many hosts are armed that will need one.
#[derive(Debug)]
struct Lane {
    queue: Queue,
    arms: Arms,
}

/// A slot that is held for a handshake; given back when it is dropped.
pub(crate) struct Slot {
    _held: [Option<Held>; 2],
}

impl Slots {
    pub(crate) fn new(connect_parallel: usize) -> Self {
        Self { all: Lane::new(connect_parallel.max(1)), jumps: Mutex::default() }
    }

    /// Waits for a handshake's turn.
    pub(crate) async fn handshake(&self, way: &Way, class: Class) -> Slot {
        // The narrow lane first: who waits there must not hold up the others.
        let jump = match self.jump(way) {
            Some(lane) => Some(lane.queue.enter(class).await),
            None => None,
        };
        Slot { _held: [jump, Some(self.all.queue.enter(class).await)] }
    }

    /// Waits until a host may be armed: its confirmation must fit into its window even if all others that are armed
    /// don't answer.
    pub(crate) async fn arm(&self, job: &HostJob) -> [Option<Armed>; 2] {
        let lane = job.final_way().and_then(|way| self.jump(way));
        let jump = match lane {
            Some(lane) => Some(lane.arms.enter(lane.queue.confirmable(rounds(job))).await),
            None => None,
        };
        [jump, Some(self.all.arms.enter(self.all.queue.confirmable(rounds(job))).await)]
    }

    fn jump(&self, way: &Way) -> Option<Arc<Lane>> {
        let first = jumps_of(way.proxy_jump.as_deref()?).next()?.to_owned();
        let mut jumps = self.jumps.lock().unwrap_or_else(PoisonError::into_inner);
        Some(jumps.entry(first).or_insert_with(|| Arc::new(Lane::new(THROUGH_ONE_JUMP_HOST))).clone())
    }
}

impl Lane {
    fn new(slots: usize) -> Self {
        Self { queue: Queue::new(slots), arms: Arms::default() }
    }
}

/// How many handshakes, one after another and none of them answered, fit into what the checks leave of the window;
/// half the margin is kept for the one that is answered.
fn rounds(job: &HostJob) -> usize {
    let Some(way) = job.final_way() else { return 0 };
    let confirm = &job.confirm;
    let attempt = job.checks.iter().map(|check| check.pace.timeout).max().unwrap_or_default();
    let least = window_least(confirm.settle, &job.checks) + attempt + CONFIRM_MARGIN / 2;
    let room = confirm.window.saturating_sub(least).as_millis();
    usize::try_from(room / way.connect_timeout.as_millis().max(1)).unwrap_or(usize::MAX)
}
