//! Who may begin a host next: asking for its lease, waiting for whoever holds it, giving it back.

use super::HostTask;
use crate::rollout::keeper::{LIMIT, lease_talk};
use crate::rollout::lock::Claim;
use crate::talk::{Ending, Talk};
use crate::verdict::Verdict;
use snapback_agent::answer::Answer;
use snapback_core::event::EventKind;
use snapback_core::inspection::Pending;
use snapback_core::lease::{Holder, Lease};
use snapback_core::lifecycle::{Input, State};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// How often a host that somebody holds is asked whether it is free.
const ASK: Duration = Duration::from_secs(2);

/// How often it is told again who holds it.
const TELL: Duration = Duration::from_secs(60);

/// Who holds a host, as it is heard.
#[derive(Debug, Default)]
struct Heard {
    pending: Option<Pending>,
    lease: Option<Lease>,
    leased: bool,
    refused: Option<(String, String)>,
}

impl Heard {
    fn hear(&mut self, answer: Answer) {
        match answer {
            Answer::Pending(pending) => self.pending = Some(pending),
            Answer::Lease(lease) => self.lease = Some(lease),
            Answer::Leased => self.leased = true,
            Answer::Refused { reason, text } => self.refused = Some((reason, text)),
            _ => {}
        }
    }

    fn holder(&self) -> Option<Holder> {
        Holder::among(self.pending.as_ref(), self.lease.as_ref())
    }
}

impl HostTask {
    /// Whoever keeps this run from the host, as far as was heard.
    pub(crate) fn holder(&self) -> Option<&Holder> {
        self.holder.as_ref()
    }

    /// Whether the run holds the host's lease.
    pub(crate) fn is_leased(&self) -> bool {
        self.shared.leases.is_held(&self.job.host)
    }

    /// The host said that its lease is ours.
    pub(super) fn leased(&mut self) {
        if let Some(way) = self.way().cloned() {
            self.shared.leases.keep(&self.job.host, way, self.becoming());
        }
    }

    /// What is begun is held by its transaction, and what was given back by nobody.
    pub(super) fn unleased(&self) {
        self.shared.leases.let_go(&self.job.host);
    }

    /// Tries to come by a host: looks again at one that somebody held, and takes the lease of one that will be changed.
    pub(crate) async fn seek(&mut self, claim: Claim) {
        let (wanted, keep_session) = match claim {
            Claim::AtLook => (self.rides, false),
            Claim::Batch { keep_session } => (true, keep_session),
        };
        match self.state {
            State::Inspecting => self.look_again().await,
            State::Planned if wanted && !self.is_leased() => self.ask_lease(keep_session).await,
            _ => {}
        }
    }

    async fn ask_lease(&mut self, keep_session: bool) {
        let talk = lease_talk(&self.shared, self.becoming());
        let Some(heard) = self.asked(talk, keep_session).await else {
            // Where it can't be reached now it can't be begun either: that is told when its turn comes.
            self.holder = None;
            return;
        };
        self.holder = heard.holder().filter(|_| !heard.leased);
        if heard.leased {
            self.leased();
        } else if self.holder.is_none()
            && let Some((reason, text)) = heard.refused
        {
            // A rollback that failed there, or a disk that takes no file.
            self.verdict = Verdict::refused(&reason, &text, heard.pending.as_ref());
            self.hear(Input::TargetRefused);
            self.tell_end();
        }
    }

    /// Waits until nobody holds the host, or until then, and tells who does.
    pub(crate) async fn await_free(&mut self, until: Instant) {
        let mut pace = interval(ASK);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pace.tick().await;
        let mut told: Option<(String, Instant)> = None;
        while let Some(holder) = self.holder.clone() {
            if told.as_ref().is_none_or(|(run, at)| run != holder.run() || at.elapsed() >= TELL) {
                self.tell_awaited(&holder, until);
                told = Some((holder.run().to_owned(), Instant::now()));
            }
            tokio::select! {
                _ = pace.tick() => {}
                () = sleep_until(until) => return,
            }
            if let Some(heard) = self.asked(Talk::plain(self.becoming(), &["status"], "", LIMIT), true).await
            {
                self.holder = heard.holder();
            }
        }
    }

    fn tell_awaited(&self, holder: &Holder, until: Instant) {
        self.tell(EventKind::HolderAwaited {
            owner: holder.owner().to_owned(),
            run: holder.run().to_owned(),
            left: holder.left(),
            secs: until.saturating_duration_since(Instant::now()).as_secs(),
        });
    }

    /// Gives the lease back, if the host was never begun. A line that breaks costs others the time that is left of it.
    pub(crate) async fn give_back(&mut self) {
        if !self.is_leased() {
            return;
        }
        self.unleased();
        let run = self.shared.spec.run.clone();
        self.asked(Talk::plain(self.becoming(), &["unlease", &run], "", LIMIT), false).await;
    }

    /// Nothing will be changed: whoever holds the host is only told of.
    pub(crate) fn overlook_holder(&mut self) {
        self.holder = None;
        if self.state == State::Inspecting {
            self.judge_changes();
            self.tell_end();
        }
    }

    /// Another run holds the host, and it is not waited for any longer.
    pub(crate) fn end_held(&mut self) {
        if let Some(holder) = self.holder.take() {
            self.verdict = Verdict::held(&holder);
            self.hear(Input::TargetRefused);
            self.tell_end();
        }
    }

    /// Asks over the session that is open, or over one that is opened for it. Nothing where no whole answer came.
    async fn asked(&mut self, talk: Talk, keep_session: bool) -> Option<Heard> {
        let keep = keep_session || self.session.is_some();
        if self.session.is_none() && !self.connect().await {
            // It isn't what the host ends with.
            self.verdict = Verdict::default();
            return None;
        }
        let session = self.session.take()?;
        let mut heard = Heard::default();
        let ending = talk.over(&*session, |answer| heard.hear(answer)).await;
        let is_whole = matches!(ending, Ending::Whole);
        if keep && is_whole {
            self.session = Some(session);
        } else {
            session.close().await;
        }
        is_whole.then_some(heard)
    }
}
