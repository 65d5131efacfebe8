//! Confirming: a fresh connection by the final way, whose first act is the confirmation. Nothing here is handed a
//! session, so no old line can be reused.

use super::HostTask;
use crate::rollout::slots::Class;
use crate::talk::{Ending, Talk};
use crate::verdict::Verdict;
use futures::stream::{self, StreamExt};
use snapback_agent::answer::Answer;
use snapback_core::event::EventKind;
use snapback_core::lifecycle::Input;
use snapback_core::way::Way;
use std::time::Duration;
use tokio::time::Instant;

/// The longest an answer may take once the host is connected; another try may do better.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// How many probes of a host are under way at the same time: sshd limits connections that have not logged in yet.
const PROBES_AT_ONCE: usize = 4;

/// What one try at confirming came to.
pub(super) enum Tried {
    /// Done: confirmed durably, or, for a probe, answered.
    Done,
    /// The deadline was moved; so many seconds are left.
    Extended(u64),
    /// The deadline can't be moved any further; the host's words.
    AtCap(String),
    /// No, and asking again won't help.
    Denied(String),
    /// No: the change has taken away what the next one could not be guarded without; the host's words.
    Lacks(String),
    /// Not yet known: another fresh connection may tell.
    Again(String),
}

impl Tried {
    /// Returns why it is not done.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Denied(reason) | Self::Lacks(reason) | Self::Again(reason) | Self::AtCap(reason) => reason,
            Self::Done | Self::Extended(_) => "the answer is none to what was asked",
        }
    }
}

impl HostTask {
    /// Tries until it is confirmed, denied, or the deadline has passed. A lost answer is read again, never guessed:
    /// confirming twice is answered as confirmed.
    pub(super) async fn confirm(&mut self) {
        let until = self.deadline.unwrap_or_else(Instant::now);
        // What is confirmed with its batch has got in everywhere before.
        let way = self.job.final_way().filter(|_| self.member.is_none());
        let mut missing = way.map(|way| self.job.proof.ways(way)).unwrap_or_default();
        let mut attempt = 0;
        let mut told = String::new();
        loop {
            attempt += 1;
            self.tell(EventKind::Confirming { attempt });
            let class = if attempt == 1 { Class::Decide } else { Class::Again };
            let tried = match self.knock(&mut missing, class).await {
                Some(no) => no,
                None => self.try_confirm(class).await,
            };
            match tried {
                Tried::Done => return self.hear(Input::ConfirmedFresh),
                Tried::Denied(reason) => {
                    self.verdict.unconfirmed(&reason);
                    self.tell(EventKind::ConfirmFailed { reason });
                    return self.hear(Input::ConfirmFailed);
                }
                Tried::Lacks(reason) => {
                    self.verdict.lacks(&reason);
                    self.tell(EventKind::ConfirmFailed { reason });
                    return self.hear(Input::ConfirmFailed);
                }
                // No answer to what was asked: another try.
                Tried::Extended(_) => {}
                Tried::Again(reason) | Tried::AtCap(reason) => {
                    self.verdict.unconfirmed(&reason);
                    // The same reason every second is not news.
                    if reason != told {
                        told.clone_from(&reason);
                        self.tell(EventKind::ConfirmFailed { reason });
                    }
                }
            }
            if Instant::now() >= until {
                return self.hear(Input::DeadlinePassed);
            }
            tokio::time::sleep(pause(attempt)).await;
        }
    }

    /// Opens what must get in before the confirmation; what got in once is not asked again. Returns why it may not be
    /// sent yet, each failing way by its name.
    pub(super) async fn knock(&self, missing: &mut Vec<(String, Way)>, class: Class) -> Option<Tried> {
        let tried: Vec<_> = stream::iter(std::mem::take(missing))
            .map(|(name, way)| async move { (self.knock_by(&way, class).await, name, way) })
            .buffered(PROBES_AT_ONCE)
            .collect()
            .await;
        let mut reasons = Vec::new();
        for (probed, name, way) in tried {
            match probed {
                Tried::Done => {}
                Tried::Denied(reason) | Tried::Lacks(reason) => {
                    return Some(Tried::Denied(format!("{name}: {reason}")));
                }
                Tried::Again(_) | Tried::AtCap(_) | Tried::Extended(_) => {
                    reasons.push(format!("{name}: {}", probed.reason()));
                    missing.push((name, way));
                }
            }
        }
        (!reasons.is_empty()).then(|| Tried::Again(reasons.join("; ")))
    }

    /// One fresh connection that the target must answer, and find fresh.
    async fn knock_by(&self, way: &Way, class: Class) -> Tried {
        let Some(record) = self.record.as_ref() else {
            return Tried::Denied("the run's record is missing".to_owned());
        };
        self.try_once((way, class), &["knock", record.run.as_str()], &record.token).await
    }

    async fn try_confirm(&self, class: Class) -> Tried {
        let (Some(way), Some(record)) = (self.job.final_way(), self.record.as_ref()) else {
            return Tried::Denied("the run's record is missing".to_owned());
        };
        let verb = ["confirm", record.run.as_str(), record.plan_digest.as_str()];
        self.try_once((way, class), &verb, &record.token).await
    }

    pub(super) async fn try_once(&self, (way, class): (&Way, Class), verb: &[&str], token: &str) -> Tried {
        let limit = way.connect_timeout + ANSWER_WITHIN;
        let talk = Talk::plain(self.becoming(), verb, &format!("{token}\n"), limit);
        let mut tried = Tried::Again("the answer was lost".to_owned());
        let cheap = self.job.confirm.reorder_kex;
        let _slot = self.shared.slots.handshake(way, class).await;
        let ending = talk
            .fresh(&*self.shared.connector, way, cheap, |answer| match answer {
                Answer::Confirmed | Answer::LetIn => tried = Tried::Done,
                Answer::Extended { left, .. } => tried = Tried::Extended(left),
                Answer::Denied { reason, text } => tried = denied(&reason, text),
                Answer::Error(text) => tried = Tried::Again(text),
                _ => {}
            })
            .await;
        match ending {
            Ending::NoLine(error) => Tried::Again(error.message),
            // A refused password would be refused again, and accounts are locked for that.
            Ending::PasswordRefused(why) => Tried::Denied(why),
            Ending::NoBecome { .. } => Tried::Again(Verdict::from_ending(&ending).cause().to_owned()),
            Ending::Cut(why) | Ending::Flooded(why)
                if matches!(tried, Tried::Again(_)) && !why.is_empty() =>
            {
                Tried::Again(why)
            }
            _ => tried,
        }
    }
}

/// A connection that was a tick too old, or a disk that was full, may do better the next time.
fn denied(reason: &str, text: String) -> Tried {
    match reason {
        "stale_connection" | "no_space" | "not_ready" => Tried::Again(text),
        "at_cap" => Tried::AtCap(text),
        "tool_gone" => Tried::Lacks(text),
        _ => Tried::Denied(text),
    }
}

/// The first retries come at once (a start tick is 10 ms long), later ones give the network time.
pub(super) fn pause(attempt: u32) -> Duration {
    Duration::from_millis(if attempt < 3 { 30 } else { 1000 })
}
