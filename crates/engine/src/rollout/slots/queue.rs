//! Slots that are given by class, then by turn.

use snapback_core::rollout::kept_for_decisions;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// What a handshake is for, the most pressing first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The first attempt to confirm or to ask a host that may be armed.
    Decide,
    /// Another attempt.
    Again,
    /// A host that isn't armed yet.
    Begin,
}

const CLASSES: [Class; 3] = [Class::Decide, Class::Again, Class::Begin];

/// The slots and those who wait for one. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Queue(Arc<Mutex<Turns>>);

#[derive(Debug)]
struct Turns {
    slots: usize,
    /// How many are held, by class.
    held: [usize; 3],
    waiting: [VecDeque<oneshot::Sender<Held>>; 3],
}

/// A slot; given to the next when it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    queue: Queue,
    class: Class,
}

impl Queue {
    pub(super) fn new(slots: usize) -> Self {
        Self(Arc::new(Mutex::new(Turns { slots, held: [0; 3], waiting: Default::default() })))
    }

    /// Waits for a slot.
    pub(super) async fn enter(&self, class: Class) -> Held {
        let (give, given) = oneshot::channel();
        self.turns().waiting[class as usize].push_back(give);
        self.give();
        match given.await {
            Ok(held) => held,
            // The queue lives as long as this borrow of it: its sender is never dropped unused.
            Err(_) => std::future::pending().await,
        }
    }

    /// How many armed hosts can be decided within so many rounds of handshakes, when the others don't answer: at
    /// first beginnings may still hold their slots.
    pub(super) fn confirmable(&self, rounds: usize) -> usize {
        let slots = self.turns().slots;
        kept_for_decisions(slots) + rounds.saturating_sub(1).saturating_mul(slots)
    }

    /// Gives free slots to those whose turn it is.
    fn give(&self) {
        loop {
            let next = {
                let mut turns = self.turns();
                let Some(class) = CLASSES.into_iter().find(|class| turns.may_have(*class)) else { return };
                let next = turns.waiting[class as usize].pop_front();
                turns.held[class as usize] += usize::from(next.is_some());
                next.map(|give| (give, class))
            };
            // One who no longer waits drops the slot here, which gives it to the next.
            if let Some((give, class)) = next {
                drop(give.send(Held { queue: self.clone(), class }));
            }
        }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    fn may_have(&self, class: Class) -> bool {
        let [decide, again, begin] = self.held;
        let shared = (self.slots - kept_for_decisions(self.slots)).max(1);
        let free = decide + again + begin < self.slots;
        let may = match class {
            Class::Decide => free,
            Class::Again => free && again + begin < shared && again < (self.slots / 2).max(1),
            Class::Begin => free && again + begin < shared,
        };
        may && !self.waiting[class as usize].is_empty()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.queue.turns().held[self.class as usize] -= 1;
        self.queue.give();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn beginnings_leave_slots_to_decisions_which_go_first() {
        let queue = Queue::new(8);
        let begun: Vec<Held> = futures::future::join_all((0..6).map(|_| queue.enter(Class::Begin))).await;
        assert!(queue.enter(Class::Begin).now_or_never().is_none(), "two slots are kept");
        let decided = [queue.enter(Class::Decide).await, queue.enter(Class::Decide).await];
        let (mut begin, mut decide) =
            (Box::pin(queue.enter(Class::Begin)), Box::pin(queue.enter(Class::Decide)));
        assert!((&mut begin).now_or_never().is_none() && (&mut decide).now_or_never().is_none());
        drop(begun);
        assert!(decide.now_or_never().is_some() && begin.now_or_never().is_some());
        drop(decided);
    }

    #[tokio::test]
    async fn hosts_that_try_again_never_take_all_slots() {
        let queue = Queue::new(8);
        let again = futures::future::join_all((0..4).map(|_| queue.enter(Class::Again))).await;
        assert!(queue.enter(Class::Again).now_or_never().is_none());
        assert!(queue.enter(Class::Decide).now_or_never().is_some());
        drop(again);
        assert!(queue.enter(Class::Again).now_or_never().is_some());
    }

    #[tokio::test]
    async fn one_who_went_away_takes_no_slot() {
        let queue = Queue::new(1);
        let held = queue.enter(Class::Begin).await;
        assert!(queue.enter(Class::Decide).now_or_never().is_none(), "and is dropped");
        drop(held);
        assert!(queue.enter(Class::Begin).now_or_never().is_some());
    }
}
