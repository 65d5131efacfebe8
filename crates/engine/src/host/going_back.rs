//! Going back: a confirmed host is taken to the exact state before the run that changed it, by a guarded transaction of
//! its own, which walks the same states as any other. Its checks are asked with the old state, and veto nothing.

use super::{Errand, HostTask, Shared};
use crate::record::{Entry, UndoRecord};
use crate::verdict::Verdict;
use snapback_core::event::{CheckStatus, EventKind};
use snapback_core::host::HostName;
use snapback_core::inspection::ChangeInspection;
use snapback_core::job::HostJob;
use snapback_core::lifecycle::{Input, State};
use snapback_core::outcome::{Health, HostResult};
use snapback_core::proof::Mode;
use std::sync::Arc;

impl HostTask {
    /// A host that an earlier run has confirmed.
    pub(crate) fn confirmed_by(run: &str, shared: Arc<Shared>, job: HostJob) -> Self {
        let state = State::Finished(HostResult::Confirmed);
        Self { state, changed_by: run.to_owned(), ..Self::new(shared, job) }
    }

    /// Takes a confirmed host back to before the run that changed it, for this cause, and tells its end.
    pub(crate) async fn go_back(&mut self, cause: &str) {
        let shared = self.shared.clone();
        // It is never closed; without a permit there are only more at once.
        let _permit = shared.undo_slots.acquire().await;
        self.tell(EventKind::GoingBack { to: self.changed_by.clone(), cause: cause.to_owned() });
        let mut back = self.way_back();
        back.look().await;
        if back.state == State::Planned {
            back.warn_of_losses();
            match back.record_undo(&self.changed_by, cause).await {
                Ok(()) => Box::pin(back.work()).await,
                Err(error) => {
                    back.verdict = Verdict::local(&format!("the run's record could not be written: {error}"));
                    back.hear(Input::TargetRefused);
                }
            }
        }
        back.close_session().await;
        self.take_back(&back, cause).await;
    }

    /// A confirmed host that should be undone, and isn't: nothing was begun for it.
    pub(crate) fn leave_confirmed(&mut self, because: &HostName) {
        let verdict =
            Verdict::failed(&format!("to be undone because {because} failed, and interrupted before"));
        let state = "the change is in place, as it was confirmed: undoing it was not begun".to_owned();
        let next = format!("deploy resume {}", self.shared.spec.run);
        self.end_undone(HostResult::RollbackFailed, verdict.with(state, next));
    }

    /// It was confirmed, and undone since, or should have been.
    pub(crate) fn was_undone(&self) -> bool {
        self.since.is_some()
    }

    /// The task that does it: nobody is asked, and what was red before isn't asked for.
    fn way_back(&self) -> Self {
        let mut job = self.job.going_back(&self.changed_by, true);
        job.proof.mode = Mode::Auto;
        job.checks.retain(|check| check.required && !self.red_before.contains_key(&check.name));
        for check in &mut job.checks {
            (check.required, check.baseline) = (false, false);
        }
        let spec = self.shared.undo_spec.clone();
        Self { spec, errand: Errand::GoBack, ..Self::new(self.shared.clone(), job) }
    }

    /// The token must be on disk before `begin` is sent, and that it was to be undone.
    async fn record_undo(&mut self, to: &str, cause: &str) -> std::io::Result<()> {
        let host = self.make_record();
        let undo = UndoRecord { to: to.to_owned(), cause: cause.to_owned(), host };
        self.shared.events.record_durably(&Entry::Undo(undo)).await
    }

    /// What somebody else has changed since is put back as well, and kept; what a script did may stay.
    fn warn_of_losses(&mut self) {
        let inspection = &self.inspected.inspection;
        let kept = format!("{}/tx/{}/job/c/0/snap", inspection.guard.state_dir, self.spec.run);
        let (mut texts, mut stuck) = (Vec::new(), Vec::new());
        for change in &inspection.changes {
            let ChangeInspection::Revert(found) = change else { continue };
            let theirs = found.paths.iter().filter(|path| path.conflict);
            texts.extend(theirs.map(|path| {
                format!("{} was changed by somebody else since; theirs is kept in {kept}", path.path)
            }));
            stuck.extend(found.stuck.iter().cloned());
        }
        for text in texts {
            self.tell(EventKind::Warning { text });
        }
        for change in stuck {
            self.verdict.stays(&change);
        }
    }

    /// A check's word with the old state.
    pub(super) fn take_check_back(&mut self, name: &str, status: CheckStatus, detail: &str) {
        match status {
            CheckStatus::Passed => self.verdict.health(Some(Health::Healthy)),
            CheckStatus::RedBefore => {}
            CheckStatus::Failed | CheckStatus::Error => {
                self.verdict.failing(name, status, detail);
                self.verdict.health(Some(Health::Failing));
            }
        }
    }

    /// Makes the host's end of how its way back ended.
    async fn take_back(&mut self, back: &Self, cause: &str) {
        let went = &back.verdict;
        let failed = || Verdict::failed(&format!("{cause}; undoing it failed: {}", went.cause()));
        let keeps = |how: &str| failed().with(format!("the change is in place: {how}"), self.by_hand());
        let (result, verdict) = match back.result() {
            HostResult::Confirmed | HostResult::Unchanged => {
                let verdict = went.clone().for_cause(cause).leaving_here(self.made_here());
                (HostResult::RolledBack, verdict)
            }
            HostResult::RolledBack => {
                (HostResult::RollbackFailed, keeps("going back was itself undone, verified on the host"))
            }
            HostResult::RollbackFailed => {
                (HostResult::RollbackFailed, went.clone().for_cause(failed().cause()))
            }
            HostResult::Unknown => (HostResult::Unknown, failed().with(self.undecided(), self.find_out())),
            HostResult::Unreachable => {
                let state = "not read back: it had confirmed the change, and nothing was sent to undo it";
                (HostResult::RollbackFailed, failed().with(state.to_owned(), self.by_hand()))
            }
            HostResult::Refused | HostResult::Skipped | HostResult::NotReached => {
                (HostResult::RollbackFailed, keeps("as it was confirmed, and nothing was armed to undo it"))
            }
        };
        self.end_undone(result, verdict);
    }

    /// What was made for it on the controller, or may have been by an earlier run: going back knows nothing of that.
    fn made_here(&self) -> Vec<String> {
        match self.changed_by == self.shared.spec.run {
            true => self.local.names(),
            false => self.job.local.iter().map(|change| change.name.clone()).collect(),
        }
    }

    fn end_undone(&mut self, result: HostResult, verdict: Verdict) {
        self.since = Some(result);
        self.verdict = verdict;
        self.tell_end();
    }

    fn by_hand(&self) -> String {
        format!("deploy rollback --to {} --limit {}", self.changed_by, self.job.host)
    }

    fn find_out(&self) -> String {
        format!("deploy status --limit {}; if the change is still there: {}", self.job.host, self.by_hand())
    }

    fn undecided(&self) -> String {
        format!(
            "not read back. Its guard has put the change back by now, or will at its next boot; if the confirmation of {} arrived, the old state stays",
            self.shared.undo_spec.run
        )
    }
}
