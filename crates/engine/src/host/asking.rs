//! After the decision, or in doubt: the target is asked until it has said how it ended, or until it must be over.

use super::HostTask;
use crate::rollout::slots::Class;
use crate::talk::{Ending, Talk};
use snapback_agent::answer::Answer;
use snapback_core::lifecycle::{Input, State};
use snapback_core::target::TargetState;
use std::time::Duration;
use tokio::time::Instant;

/// Even when all should be over, a host that connects is heard for so long.
const LEAST: Duration = Duration::from_secs(20);

/// Between two attempts to reach a host that doesn't answer.
const PAUSE: Duration = Duration::from_millis(1000);

impl HostTask {
    /// Tells the target to roll back, unless it has said that it does, and hears it to the end.
    pub(super) async fn roll_back(&mut self) {
        let by = self.undone_by();
        while self.state == State::RollingBack {
            let cause = format!("{}\n", self.verdict.cause());
            let run = self.spec.run.clone();
            let from = self.heard.to_string();
            // Asking a host to roll back that has tried and failed would have it try again.
            let follow = ["follow", &run, &from, "done"];
            let verb: &[&str] = if self.undo_heard { &follow } else { &["rollback", &run, &from] };
            self.talk_once(verb, &cause).await;
            if self.state == State::RollingBack {
                if Instant::now() >= by {
                    self.verdict.unread();
                    return self.hear(Input::GaveUp);
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Asks where the transaction stands, until it is known or must be over.
    pub(super) async fn ask(&mut self) {
        let by = self.undone_by();
        while self.state == State::Asking {
            self.ask_once().await;
            if self.state != State::Asking {
                return;
            }
            if Instant::now() >= by {
                self.verdict.unread();
                return self.hear(Input::GaveUp);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn ask_once(&mut self) {
        let run = self.spec.run.clone();
        let answers = self.talk_once(&["status"], "").await;
        let Some(answers) = answers else { return };
        let pending = answers.iter().find_map(|a| match a {
            Answer::Pending(p) if p.tx == run => TargetState::from_word(&p.state),
            _ => None,
        });
        match pending {
            Some(TargetState::RollbackFailed) => self.hear(Input::TargetRollbackFailed),
            Some(TargetState::RollingBack) => self.hear(Input::TargetRollingBack),
            Some(TargetState::Armed | TargetState::Applying) => self.hear(Input::TargetApplying),
            Some(TargetState::Applied) => self.hear(Input::TargetApplied),
            Some(TargetState::Ready) => self.hear(Input::TargetReady),
            // Locked or confirming: it is still on its way.
            Some(_) => {}
            // Not open: its journal tells how it ended, or that it was never there.
            None => {
                let from = self.heard.to_string();
                self.talk_once(&["follow", &run, &from, "done"], "").await;
            }
        }
    }

    /// One talk over a fresh connection, by the ways in turn. What concerns the transaction is heard; all answers
    /// are returned, or nothing when no line held to the end.
    async fn talk_once(&mut self, verb: &[&str], stdin: &str) -> Option<Vec<Answer>> {
        let mut answers = Vec::new();
        let left = self.undone_by().saturating_duration_since(Instant::now()).max(LEAST);
        let talk = Talk::plain(self.becoming(), verb, stdin, left);
        let way = self.way().cloned()?;
        let connector = self.shared.connector.clone();
        // The handshake alone needs the slot: an undo may be heard out for minutes.
        let mut slot = Some(self.shared.slots.handshake(&way, Class::Again).await);
        let ending = talk
            .fresh(&*connector, &way, false, |answer| {
                slot = None;
                answers.push(answer);
            })
            .await;
        drop(slot);
        for answer in &answers {
            if matches!(answer, Answer::Journal(..) | Answer::Untouched(_)) && !self.state.is_final() {
                self.take_answer(answer.clone());
            }
        }
        match ending {
            Ending::Whole => Some(answers),
            Ending::NeedAgent => {
                // No agent, no transaction: a host that was never begun, or one that was set up anew.
                self.take_untouched("the host knows nothing of this run");
                None
            }
            _ => {
                self.way = (self.way + 1) % self.job.ways.len().max(1);
                None
            }
        }
    }
}
