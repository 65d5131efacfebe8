//! Standing by: a host that has passed waits, armed, until all of its batch have; then all are confirmed, or undone.

use super::HostTask;
use super::confirming::{Tried, pause};
use crate::rollout::bond::Member;
use crate::rollout::slots::Class;
use crate::verdict::Verdict;
use snapback_core::event::EventKind;
use snapback_core::lifecycle::{Input, State};
use snapback_core::outcome::HostResult;
use snapback_core::rollout::Pact;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Hosts count in whole seconds.
const ROUNDING: Duration = Duration::from_secs(2);

impl HostTask {
    /// Binds the host to the others of its batch.
    pub(crate) fn join(&mut self, member: Member) {
        self.member = Some(member);
    }

    /// Whether the journal is followed: until all has passed, and then as long as others are waited for.
    pub(super) fn is_followed(&self) -> bool {
        self.state.is_followed() || (self.state == State::Passed && self.member.is_some())
    }

    /// Does what the batch asks of the host as it stands.
    pub(super) async fn keep_pact(&mut self) {
        let Some(member) = &self.member else { return };
        let passed = self.state == State::Passed;
        match member.pact() {
            // While it begins it isn't known whether it is armed.
            Pact::Broken { why } if self.state != State::Beginning => self.call_off(&why),
            Pact::Confirming if passed => self.hear(Input::Cleared),
            Pact::Extending { .. } if passed && !member.is_extended() => {
                self.unless_broken(Self::extend_to_confirm).await;
            }
            _ if passed && !member.has_passed() => self.unless_broken(Self::get_in).await,
            _ if passed && self.short_of_time() => self.unless_broken(Self::win_time).await,
            _ => {}
        }
    }

    /// Until when nothing need be done for the batch, if nothing is heard.
    pub(super) fn stands_by_until(&self) -> Option<Instant> {
        let member = self.member.as_ref().filter(|member| member.may_be_given_time())?;
        let deadline = self.deadline.filter(|_| self.state == State::Passed)?;
        deadline.checked_sub(member.times().reserve() / 2)
    }

    /// Tells the batch that the host can't be confirmed any more, or that nothing is asked of it.
    pub(crate) fn tell_batch(&mut self) {
        let why = self.failure();
        let Some(member) = &mut self.member else { return };
        match self.state {
            State::Finished(HostResult::Confirmed | HostResult::Skipped) => member.is_done(),
            State::Finished(_) | State::RollingBack | State::Asking => member.failed(why),
            _ => {}
        }
    }

    /// Returns whether another host of the batch has failed; then this one isn't begun.
    pub(super) fn is_called_off(&mut self) -> bool {
        let pact = self.member.as_ref().map(Member::pact);
        let Some(Pact::Broken { why }) = pact.filter(|_| self.state == State::Planned) else { return false };
        self.leave_with(Verdict::called_off(&why));
        true
    }

    /// Returns why those that would be confirmed with this host can't be, if it has failed already.
    pub(crate) fn spoils_batch(&self) -> Option<String> {
        self.has_failed().then(|| self.failure())
    }

    /// Another host of the batch has failed before any was begun.
    pub(crate) fn leave_with_batch(&mut self, why: &str) {
        self.leave_with(Verdict::called_off(why));
    }

    /// It has failed, and not only because another host of its batch had.
    pub(crate) fn is_to_blame(&self) -> bool {
        self.has_failed() && !self.verdict.is_called_off()
    }

    fn failure(&self) -> String {
        let cause = self.verdict.cause();
        let cause = if cause.is_empty() { "its line was lost" } else { cause };
        format!("{}, of the same batch, failed: {cause}", self.job.host)
    }

    fn call_off(&mut self, why: &str) {
        self.verdict = Verdict::called_off(why);
        self.hear(Input::CalledOff);
    }

    fn short_of_time(&self) -> bool {
        self.stands_by_until().is_some_and(|at| at <= Instant::now())
    }

    /// Does something that is of no use any more once another host has failed.
    async fn unless_broken(&mut self, deed: impl AsyncFnOnce(&mut Self)) {
        let Some(news) = self.member.as_ref().map(Member::news) else { return };
        tokio::select! {
            biased;
            why = Member::broken(news) => self.call_off(&why),
            () = deed(self) => {}
        }
    }

    /// Opens what must get in before the confirmation. Only then it has passed: one that fails later would split the batch.
    async fn get_in(&mut self) {
        let mut missing = self.job.final_way().map(|way| self.job.proof.ways(way)).unwrap_or_default();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let class = if attempt == 1 { Class::Decide } else { Class::Again };
            match self.knock(&mut missing, class).await {
                None => break,
                Some(Tried::Denied(reason)) => return self.give_up(&reason),
                Some(Tried::Again(reason)) if self.left().is_zero() => return self.give_up(&reason),
                Some(_) => tokio::time::sleep(pause(attempt)).await,
            }
        }
        self.tell(EventKind::AwaitingBatch { left: self.left().as_secs() });
        if let Some(member) = &mut self.member {
            member.passed();
        }
    }

    /// Gives a host that waits more time, once; what could not be done is tried again as long as its window is open.
    async fn win_time(&mut self) {
        match self.try_extend(Class::Decide).await {
            Tried::Extended(left) => self.undoes_in(left),
            Tried::Denied(_) | Tried::Lacks(_) | Tried::AtCap(_) => {
                if let Some(member) = &mut self.member {
                    member.out_of_time();
                }
            }
            Tried::Again(_) | Tried::Done => tokio::time::sleep(pause(3)).await,
        }
    }

    /// Extends the window over a fresh connection that could have confirmed, and tells the batch.
    async fn extend_to_confirm(&mut self) {
        let Some(times) = self.member.as_ref().map(|member| *member.times()) else { return };
        let until = Instant::now() + times.extend;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let class = if attempt == 1 { Class::Decide } else { Class::Again };
            let tried = self.try_extend(class).await;
            match tried {
                Tried::Extended(left) => {
                    self.undoes_in(left);
                    break;
                }
                // Nothing is lost if enough is left; it is looked at below.
                Tried::AtCap(_) => break,
                Tried::Again(_) | Tried::Done if Instant::now() < until => {}
                Tried::Lacks(reason) => {
                    self.verdict.lacks(&reason);
                    return self.give_up(&reason);
                }
                _ => return self.give_up(tried.reason()),
            }
            tokio::time::sleep(pause(attempt)).await;
        }
        // Until the last is extended this much is used up.
        if self.left() < times.confirm + until.saturating_duration_since(Instant::now()) {
            return self.give_up("it may not stay armed for long enough (`hard_cap`)");
        }
        if let Some(member) = &mut self.member {
            member.extended();
        }
    }

    async fn try_extend(&self, class: Class) -> Tried {
        let (Some(way), Some(record), Some(member)) =
            (self.job.final_way(), self.record.as_ref(), self.member.as_ref())
        else {
            return Tried::Denied("the run's record is missing".to_owned());
        };
        let by =
            (member.times().reserve() + ROUNDING).saturating_sub(self.left()).as_secs().max(1).to_string();
        let verb = ["extend", record.run.as_str(), by.as_str(), record.plan_digest.as_str()];
        self.try_once((way, class), &verb, &record.token).await
    }

    fn left(&self) -> Duration {
        self.deadline.map(|at| at.saturating_duration_since(Instant::now())).unwrap_or_default()
    }

    /// It can't be confirmed with the others, though its checks have passed.
    fn give_up(&mut self, reason: &str) {
        self.verdict.unconfirmed(reason);
        self.tell(EventKind::ConfirmFailed { reason: reason.to_owned() });
        self.hear(Input::CalledOff);
    }
}

/// Waits until something has become of the batch.
pub(super) async fn changed(news: &mut Option<watch::Receiver<Pact>>) {
    let Some(news) = news else { return std::future::pending().await };
    if news.changed().await.is_err() {
        // The run is being dropped.
        std::future::pending().await
    }
}
