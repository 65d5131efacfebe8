//! Over which line the journal is followed, once the one that began has been lost, or may have been.
//!
//! A host that its own change moves doesn't say goodbye: the line that armed it dies without a word, and is given up only
//! after many seconds. So where it says nothing for a moment, the host is looked for by its final way as well.

use super::HostTask;
use super::following::Heard;
use crate::rollout::slots::Class;
use crate::talk::{Ending, Talk};
use snapback_agent::answer::Answer;
use snapback_core::lifecycle::State;
use snapback_core::way::WayKind;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// For how long a line may be silent before the host is looked for elsewhere. The journal is read once a second.
const QUIET: Duration = Duration::from_millis(1500);

/// The longest between two looks: a change may work for minutes, and say nothing, before it moves the host.
const LONGEST_QUIET: Duration = Duration::from_secs(15);

/// Between two lines that were lost.
const PAUSE: Duration = Duration::from_millis(500);

/// A line beside the one that began. Dropping it ends it.
pub(super) struct Another {
    stand: Stand,
    quiet_since: Instant,
    pause: Duration,
}

/// How it stands with that line.
enum Stand {
    /// There is none.
    None,
    /// It is being opened.
    Sought(JoinHandle<()>),
    /// Something was heard over it.
    Found(JoinHandle<()>),
}

impl Another {
    pub(super) fn none() -> Self {
        Self { stand: Stand::None, quiet_since: Instant::now(), pause: QUIET }
    }

    /// One is being opened; there is one at a time.
    pub(super) fn sought(&mut self, line: JoinHandle<()>) {
        self.end();
        self.stand = Stand::Sought(line);
    }

    pub(super) fn found(&mut self) {
        self.stand = match std::mem::replace(&mut self.stand, Stand::None) {
            Stand::Sought(line) => Stand::Found(line),
            as_it_was => as_it_was,
        };
    }

    pub(super) fn is_found(&self) -> bool {
        matches!(self.stand, Stand::Found(_))
    }

    /// Nobody answers there yet: the next look comes later.
    pub(super) fn not_there(&mut self) {
        self.stand = Stand::None;
        self.quiet_since = Instant::now();
        self.pause = (self.pause * 2).min(LONGEST_QUIET);
    }

    /// Some line is alive.
    pub(super) fn heard_something(&mut self) {
        self.quiet_since = Instant::now();
    }

    fn end(&mut self) {
        if let Stand::Sought(line) | Stand::Found(line) = &self.stand {
            line.abort();
        }
    }
}

impl Drop for Another {
    fn drop(&mut self) {
        self.end();
    }
}

/// How lines are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    /// By all ways in turn: there is no line any more.
    Everywhere,
    /// By one way, once: the line that began may be alive.
    Once,
}

impl HostTask {
    /// The final way, where the host was armed by another one whose lines its change is to cut.
    fn moves_to(&self) -> Option<usize> {
        let armed_by = self.way().filter(|way| way.kind == WayKind::Was)?;
        let last = self.job.ways.iter().position(|way| way.kind == WayKind::Final)?;
        self.job.ways[last].leads_elsewhere_than(armed_by).then_some(last)
    }

    /// When the host is looked for by its final way, unless its line says something before.
    pub(super) fn looks_elsewhere_at(&self, another: &Another) -> Option<Instant> {
        // Before apply nothing has moved, and while it begins nobody may ask for it.
        let may_have_moved = !matches!(self.state, State::Beginning | State::Armed);
        let looks = may_have_moved && matches!(another.stand, Stand::None) && self.moves_to().is_some();
        looks.then(|| another.quiet_since + another.pause)
    }

    /// The line that began has said nothing for a while, and the change moves the host.
    pub(super) fn look_elsewhere(&self, sender: &mpsc::UnboundedSender<Heard>) -> JoinHandle<()> {
        self.search(Search::Once, sender)
    }

    /// Follows the journal over new connections from where it was lost, by the ways in turn, until it has been
    /// heard out.
    pub(super) fn follow_again(&self, sender: &mpsc::UnboundedSender<Heard>) -> JoinHandle<()> {
        self.search(Search::Everywhere, sender)
    }

    fn search(&self, mut search: Search, sender: &mpsc::UnboundedSender<Heard>) -> JoinHandle<()> {
        let sender = sender.clone();
        let (shared, job, run) = (self.shared.clone(), self.job.clone(), self.spec.run.clone());
        // A host that moves is rather there by now.
        let (mut heard, mut way) = (self.heard, self.moves_to().unwrap_or(self.way));
        let (by, until, becoming) = (self.heard_by(), self.heard_until(), self.becoming());
        let mut class = if search == Search::Once { Class::Again } else { Class::Decide };
        tokio::spawn(async move {
            while Instant::now() < by {
                let from = heard.to_string();
                let verb = ["follow", run.as_str(), from.as_str(), until];
                let left = by.saturating_duration_since(Instant::now());
                let talk = Talk::plain(becoming.clone(), &verb, "", left);
                let Some(at) = job.ways.get(way % job.ways.len().max(1)) else { break };
                // The handshake alone needs the slot: the journal is followed for as long as apply takes.
                let mut slot = Some(shared.slots.handshake(at, class).await);
                class = Class::Again;
                let hear = |answer| {
                    slot = None;
                    search = Search::Everywhere;
                    heard = number_of(&answer).unwrap_or(heard);
                    drop(sender.send(Heard::Elsewhere(answer)));
                };
                if matches!(talk.fresh(&*shared.connector, at, false, hear).await, Ending::Whole) {
                    break;
                }
                if search == Search::Once {
                    drop(sender.send(Heard::NotThereYet));
                    break;
                }
                way += 1;
                tokio::time::sleep(PAUSE).await;
            }
        })
    }
}

fn number_of(answer: &Answer) -> Option<u64> {
    match answer {
        Answer::Journal(line, _) => Some(*line),
        _ => None,
    }
}
