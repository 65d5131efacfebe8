//! Required checks that are red where a person decides: the host isn't undone at once, but waits until its deadline for a
//! confirmation that names them, given from elsewhere. The target refuses any other, so what is red here is told to it.

use super::confirming::pause;
use super::{Errand, HostTask};
use crate::rollout::slots::Class;
use crate::talk::Talk;
use crate::verdict::Verdict;
use snapback_agent::answer::Answer;
use snapback_core::event::{CheckStatus, EventKind};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The longest that the target may take to write a veto down.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// What is red on one host, in the order in which it was found: each a check's name and why.
#[derive(Clone, Debug, Default)]
pub(super) struct Red {
    /// The target's own checks.
    there: Vec<(String, String)>,
    /// The controller's.
    here: Vec<(String, String)>,
}

impl Red {
    pub(super) fn is_empty(&self) -> bool {
        self.there.is_empty() && self.here.is_empty()
    }

    fn names(&self) -> Vec<String> {
        self.there.iter().chain(&self.here).map(|(name, _)| name.clone()).collect()
    }
}

impl HostTask {
    /// Whether a required check that is red leaves the decision to a person.
    pub(super) fn red_waits(&self) -> bool {
        self.errand == Errand::Change && self.job.proof.red_waits(self.member.is_none())
    }

    /// A required check of the target is red.
    pub(super) fn red_there(&mut self, check: String, status: CheckStatus, detail: &str) {
        self.because_red(&check, status, detail);
        self.red.there.push((check, why(status, detail)));
    }

    /// A required check of the controller is red: the target must know before anybody confirms.
    pub(super) fn red_here(&mut self, check: String, status: CheckStatus, detail: &str) -> JoinHandle<()> {
        self.because_red(&check, status, detail);
        self.red.here.push((check, why(status, detail)));
        self.veto_there()
    }

    fn because_red(&mut self, check: &str, status: CheckStatus, detail: &str) {
        if self.red.is_empty() {
            self.verdict = Verdict::failed(&format!("check '{check}' {}: {detail}", status.word()));
        }
    }

    /// Everything is judged, and something is red: who may decide is told how.
    pub(super) fn leave_to_person(&mut self) {
        let left = self.deadline_told.borrow().saturating_duration_since(Instant::now());
        let red = self.red.names();
        // Nobody else's question waits for this host.
        self.seat = None;
        self.tell(EventKind::AwaitingPerson { left: left.as_secs(), red: red.clone() });
        if let Some(desk) = &self.shared.desk {
            desk.red(&self.job.host, red, left);
        }
    }

    /// A person has confirmed despite a check; what is told is its name, and why it was red. While it bakes it isn't
    /// asked: that would undo what was just decided.
    pub(super) fn confirmed_despite(&mut self, told: &str) {
        let job = self.job.clone();
        let of = |name: &str| told.strip_prefix(name).is_some_and(|rest| rest.starts_with(": "));
        if let Some(check) = job.checks.iter().find(|check| of(&check.name)) {
            self.red_before.insert(check.name.clone(), told.to_owned());
        }
        self.verdict.despite(told);
        self.tell(EventKind::Warning { text: format!("confirmed despite {told}") });
    }

    /// Tells the target what is red here, over fresh connections, until it has written it down or will not.
    fn veto_there(&self) -> JoinHandle<()> {
        let (shared, ways, becoming) = (self.shared.clone(), self.job.ways.clone(), self.becoming());
        let run = self.spec.run.clone();
        let token = self.record.as_ref().map(|record| record.token.clone()).unwrap_or_default();
        let red: String = self.red.here.iter().map(|(name, why)| format!("{name}\n{why}\n")).collect();
        let (count, stdin) = (self.red.here.len().to_string(), format!("{token}\n{red}"));
        let first = self.way;
        let by = self.undone_by();
        tokio::spawn(async move {
            let (mut attempt, mut is_told) = (0, false);
            while !is_told && Instant::now() < by {
                let Some(way) = ways.get((first + attempt) % ways.len().max(1)) else { return };
                let limit = way.connect_timeout + TOLD_WITHIN;
                let talk =
                    Talk::plain(becoming.clone(), &["veto", run.as_str(), count.as_str()], &stdin, limit);
                let slot = shared.slots.handshake(way, Class::Decide).await;
                let hear = |answer| is_told |= matches!(answer, Answer::Vetoed | Answer::Denied { .. });
                talk.fresh(&*shared.connector, way, false, hear).await;
                drop(slot);
                attempt += 1;
                if !is_told {
                    tokio::time::sleep(pause(attempt as u32)).await;
                }
            }
        })
    }
}

fn why(status: CheckStatus, detail: &str) -> String {
    format!("{}: {}", status.word(), detail.replace(['\n', '\r'], " "))
}
