//! What binds the hosts of a batch that are confirmed together: each tells how far it is, and hears how far all are.
//! Core's [`Pact`] decides.

use snapback_core::job::HostJob;
use snapback_core::rollout::{Pact, PactInput, Together};
use std::mem::discriminant;
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// The hosts of one batch.
#[derive(Debug)]
pub(crate) struct Bond {
    pact: watch::Sender<Pact>,
    /// Something has become of one of them.
    progress: Notify,
    members: usize,
    times: Together,
}

/// One host of it.
#[derive(Debug)]
pub(crate) struct Member {
    bond: Arc<Bond>,
    stand: Stand,
}

/// How far a host is, for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Working,
    Passed,
    /// It has passed, and can't be given more time.
    OutOfTime,
    /// Its window is long enough, or nothing is asked of it any more.
    Extended,
}

impl Bond {
    /// Binds hosts to each other.
    pub(super) fn of(jobs: &[&HostJob], connect_parallel: usize) -> Arc<Self> {
        let (members, times) = (jobs.len(), Together::of(jobs, connect_parallel));
        Arc::new(Self { pact: watch::Sender::new(Pact::new()), progress: Notify::new(), members, times })
    }

    pub(super) fn member(self: &Arc<Self>) -> Member {
        Member { bond: Arc::clone(self), stand: Stand::Working }
    }

    /// Waits until all windows are long enough and the promise is to be written down.
    pub(super) async fn is_to_be_promised(&self) {
        let mut news = self.pact.subscribe();
        // An error would mean that the bond is gone, and it is borrowed.
        let _ = news.wait_for(|pact| *pact == Pact::Promising).await;
    }

    /// The promise is on disk, or could not be written. Returns whether it holds: a host may have failed meanwhile.
    pub(super) fn promised(&self, written: std::io::Result<()>) -> bool {
        self.hear(match written {
            Ok(()) => PactInput::Promised,
            Err(error) => PactInput::Failed {
                why: format!(
                    "on the controller: that all are to be confirmed could not be written down: {error}"
                ),
            },
        });
        *self.pact.borrow() == Pact::Confirming
    }

    /// Waits until something has become of one of the hosts.
    pub(super) async fn progress(&self) {
        self.progress.notified().await;
    }

    fn hear(&self, input: PactInput) {
        self.pact.send_if_modified(|pact| match pact.step(self.members, input) {
            Ok(next) => {
                // How many have passed is no news to those that wait: there may be thousands.
                let is_news = discriminant(&next) != discriminant(pact);
                *pact = next;
                is_news
            }
            Err(illegal) => {
                tracing::warn!("{illegal}");
                false
            }
        });
        self.progress.notify_one();
    }
}

impl Member {
    pub(crate) fn times(&self) -> &Together {
        &self.bond.times
    }

    pub(crate) fn pact(&self) -> Pact {
        self.bond.pact.borrow().clone()
    }

    pub(crate) fn news(&self) -> watch::Receiver<Pact> {
        self.bond.pact.subscribe()
    }

    /// Waits until one has failed; returns which, and why.
    pub(crate) async fn broken(mut news: watch::Receiver<Pact>) -> String {
        loop {
            if let Pact::Broken { why } = &*news.borrow_and_update() {
                return why.clone();
            }
            if news.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.stand != Stand::Working
    }

    pub(crate) fn is_extended(&self) -> bool {
        self.stand == Stand::Extended
    }

    pub(crate) fn may_be_given_time(&self) -> bool {
        self.stand != Stand::OutOfTime
    }

    /// All its checks have passed, and whatever else must get in before the confirmation.
    pub(crate) fn passed(&mut self) {
        if self.stand == Stand::Working {
            self.stand = Stand::Passed;
            self.bond.hear(PactInput::Passed);
        }
    }

    /// It can't be given more time.
    pub(crate) fn out_of_time(&mut self) {
        if self.stand == Stand::Passed {
            self.stand = Stand::OutOfTime;
        }
    }

    /// Its window is long enough.
    pub(crate) fn extended(&mut self) {
        if self.has_passed() && !self.is_extended() {
            self.stand = Stand::Extended;
            self.bond.hear(PactInput::Extended);
        }
    }

    /// Nothing is asked of it any more: it is confirmed, by whomever, or was left out.
    pub(crate) fn is_done(&mut self) {
        self.passed();
        self.extended();
    }

    /// It can't be confirmed any more.
    pub(crate) fn failed(&self, why: String) {
        self.bond.hear(PactInput::Failed { why });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::time::Duration;

    fn all_extended() -> (Arc<Bond>, Member) {
        let zero = Duration::ZERO;
        let times = Together { begin: zero, pass: zero, extend: zero, confirm: zero };
        let bond = Bond { pact: watch::Sender::new(Pact::new()), progress: Notify::new(), members: 1, times };
        let bond = Arc::new(bond);
        let mut member = bond.member();
        member.passed();
        member.extended();
        assert_eq!(member.pact(), Pact::Promising);
        (bond, member)
    }

    #[test]
    fn nobody_is_confirmed_if_the_promise_can_not_be_written() {
        let (bond, member) = all_extended();
        assert!(!bond.promised(Err(io::Error::other("no space left"))));
        let Pact::Broken { why } = member.pact() else { panic!("{:?}", member.pact()) };
        assert!(why.ends_with("could not be written down: no space left"), "{why}");
    }

    #[test]
    fn a_promise_does_not_hold_if_a_host_fails_while_it_is_written() {
        let (bond, member) = all_extended();
        member.failed("a failed".to_owned());
        assert!(!bond.promised(Ok(())));
        assert_eq!(member.pact(), Pact::Broken { why: "a failed".to_owned() });
    }
}
