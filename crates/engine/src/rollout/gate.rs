//! The gate: waiting until somebody promotes the run.

use super::Signal;
use crate::run::Run;
use snapback_core::rollout::{Ending, Input};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often it is looked whether somebody has come.
const LOOK: Duration = Duration::from_millis(250);

impl Run {
    /// Waits for a promotion, an abort, an interrupt, or the end of its patience.
    pub(super) async fn wait_at_gate(&mut self) -> Input {
        let until = Instant::now() + self.shared.course.gate_timeout;
        loop {
            self.signals.pull(&self.halt);
            match self.halt.why() {
                Some(Ending::Interrupted) => return Input::Interrupted,
                Some(_) => return Input::Aborted,
                None if self.signals.is_sent(Signal::Promote) => return Input::Promoted,
                None if Instant::now() >= until => return Input::GateTimedOut,
                None => sleep(LOOK).await,
            }
        }
    }
}
