//! The host's local changes: made before it is begun, closed by how it ended.

use super::HostTask;
use crate::verdict::Verdict;
use snapback_core::event::EventKind;
use snapback_core::lifecycle::Input;
use snapback_core::outcome::HostResult;

impl HostTask {
    /// Makes the local changes, in order, until one fails: then the host isn't begun.
    pub(super) async fn change_here(&mut self) -> Input {
        let env = self.local_env();
        let folder = self.shared.records.local_folder(&self.shared.spec.run);
        let job = self.job.clone();
        for change in &job.local {
            if let Err(why) = self.local.apply(change, &env, &folder).await {
                self.verdict = Verdict::local(&format!("the local change {}: {why}", change.name));
                return Input::TargetRefused;
            }
        }
        Input::Go
    }

    /// Undoes or finishes the local changes that were begun. Where it isn't known what the host is in, they stay.
    pub(super) async fn close_here(&mut self) {
        if self.local.is_empty() {
            return;
        }
        let left = match self.result() {
            HostResult::RollbackFailed | HostResult::Unknown => {
                vec![format!(
                    "{} not closed, until it is known what the host is in",
                    self.local.names().join(", ")
                )]
            }
            result => self.local.close(result == HostResult::Confirmed).await,
        };
        for text in &left {
            let run = &self.shared.spec.run;
            self.tell(EventKind::Warning {
                text: format!("on the controller: {text}; then: deploy abort {run}"),
            });
            self.verdict.left_here(text);
        }
    }
}
