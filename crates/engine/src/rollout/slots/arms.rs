//! How many hosts are armed and undecided.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Counts armed hosts. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(super) struct Arms(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    armed: AtomicUsize,
    fewer: Notify,
}

/// One that may be armed; dropped when it needs no confirmation any more.
#[derive(Debug)]
pub(crate) struct Armed(Arms);

impl Arms {
    /// Waits until fewer than `most` hosts are armed.
    pub(super) async fn enter(&self, most: usize) -> Armed {
        let most = most.max(1);
        loop {
            let fewer = self.0.fewer.notified();
            tokio::pin!(fewer);
            fewer.as_mut().enable();
            let more = |armed| (armed < most).then_some(armed + 1);
            if self.0.armed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok() {
                return Armed(self.clone());
            }
            fewer.await;
        }
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        self.0.0.armed.fetch_sub(1, Ordering::SeqCst);
        self.0.0.fewer.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn no_more_are_armed_than_can_be_confirmed() {
        let arms = Arms::default();
        let first = arms.enter(2).await;
        let second = arms.enter(2).await;
        let mut third = Box::pin(arms.enter(2));
        assert!((&mut third).now_or_never().is_none());
        assert!(arms.enter(3).now_or_never().is_some(), "one with a longer window may");
        drop(first);
        assert!(third.now_or_never().is_some());
        drop(second);
    }
}
