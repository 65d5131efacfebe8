//! What keeps further hosts from being started.

use snapback_core::rollout::Ending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Stops further hosts from being started; those under way finish. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Halt(Arc<Brake>);

#[derive(Debug, Default)]
struct Brake {
    interrupted: AtomicBool,
    /// The first reason to stop: what came later followed from it.
    why: OnceLock<Ending>,
}

impl Halt {
    /// Starts no more hosts: a person has interrupted the run.
    pub fn stop(&self) {
        self.0.interrupted.store(true, Ordering::Relaxed);
        self.because(Ending::Interrupted);
    }

    /// Returns whether a person has interrupted the run.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.interrupted.load(Ordering::Relaxed)
    }

    /// Starts no more hosts, for this reason.
    pub(crate) fn because(&self, why: Ending) {
        let _ = self.0.why.set(why);
    }

    /// Returns why no more hosts are to be started, if so.
    pub(crate) fn why(&self) -> Option<Ending> {
        self.0.why.get().copied()
    }
}
