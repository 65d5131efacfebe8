//! What is told about a run: one stream of plain data, from which progress bars, lines, JSON, reports and the
//! run record are all made. The engine emits it and knows nothing of who listens.

use crate::host::HostName;
use crate::local_change::LocalDeed;
use crate::outcome::{Health, HostResult};
use crate::rollout::{BatchKind, Ending};
use crate::way::WayKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the event format. Fields are only ever added within a version.
pub const VERSION: u32 = 1;

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// [`VERSION`].
    pub v: u32,
    /// When, in milliseconds since the Unix epoch by the controller's clock. For people only.
    pub at_ms: u64,
    /// The run's id.
    pub run: String,
    /// The host it is about; absent for events of the run as a whole.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub host: Option<HostName>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// Whether an event may be lost under load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Never dropped.
    Keep,
    /// May be dropped when nobody reads fast enough.
    MayDrop,
}

/// What happened. Past tense; times are in seconds unless the name says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// The run began (initial).
    RunStarted {
        /// The fleet's name.
        fleet: String,
        /// The hosts, in file order.
        hosts: Vec<HostName>,
    },
    /// A connection was opened.
    HostConnected {
        /// Which way in worked.
        way: WayKind,
        /// How long connecting took, in milliseconds.
        ms: u64,
    },
    /// The host was looked at; nothing has been changed.
    HostInspected {
        /// How many of its changes would do something.
        changes: usize,
    },
    /// Another run holds the host, and is waited for.
    HolderAwaited {
        /// `user@controller` of that run.
        owner: String,
        /// The run.
        run: String,
        /// Seconds until it lets go by itself, where that is known.
        left: Option<u64>,
        /// Seconds until it isn't waited for any longer.
        secs: u64,
    },
    /// The host's content is being sent.
    Uploading {
        /// How many bytes.
        bytes: u64,
    },
    /// The guard is armed on the host and was read back.
    GuardArmed {
        /// The guard's backend, e.g. `systemd`.
        backend: String,
        /// What undoes after a reboot, or `none`.
        boot_hook: String,
        /// Seconds until it undoes unless apply has ended by then.
        apply_timeout: u64,
        /// Seconds after apply until it undoes unless confirmed.
        window: u64,
    },
    /// A change began.
    ChangeStarted {
        /// Its index in the change set.
        index: usize,
        /// Its name.
        name: String,
    },
    /// A change ended well.
    ChangeFinished {
        /// Its index in the change set.
        index: usize,
        /// Its name.
        name: String,
        /// How long it took, in milliseconds.
        ms: u64,
    },
    /// A command of a local change began, on the controller.
    LocalStarted {
        /// The change's name.
        change: String,
        /// Which command.
        deed: LocalDeed,
    },
    /// A command of a local change ended, or wasn't needed.
    LocalFinished {
        /// The change's name.
        change: String,
        /// Which command.
        deed: LocalDeed,
        /// It ended well.
        ok: bool,
        /// Why it failed, or that it wasn't needed.
        detail: String,
        /// How long it took, in milliseconds.
        ms: u64,
    },
    /// A line that one of the user's commands printed.
    Output {
        /// Which step printed it.
        step: String,
        /// The line, with control characters made visible.
        line: String,
    },
    /// Apply has ended; settling and checks begin.
    Applied {
        /// Seconds until the guard undoes.
        left: u64,
    },
    /// A check came to its verdict.
    CheckFinished {
        /// The check's name.
        check: String,
        /// Its verdict.
        status: CheckStatus,
        /// Its last line, or why it could not be run.
        detail: String,
        /// It could have vetoed.
        required: bool,
    },
    /// The target says that a confirmation may come.
    Ready {
        /// Seconds until the guard undoes.
        left: u64,
    },
    /// The deadline was moved.
    Extended {
        /// By how many seconds.
        by: u64,
        /// Seconds until the guard undoes.
        left: u64,
    },
    /// All checks are judged, and a person is to say whether the change stays.
    AwaitingPerson {
        /// Seconds until the guard undoes.
        left: u64,
        /// The required checks that are red: a confirmation must name them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        red: Vec<String>,
    },
    /// All has passed, and the others of the batch are waited for: they are confirmed together.
    AwaitingBatch {
        /// Seconds until the guard undoes.
        left: u64,
    },
    /// The line to the host was lost; the transaction goes on without it.
    LineLost {
        /// What was going on.
        during: String,
    },
    /// A fresh connection is being opened to confirm.
    Confirming {
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// A fresh connection could not be opened or the target refused the confirmation.
    ConfirmFailed {
        /// Why.
        reason: String,
    },
    /// The host is being undone.
    RollbackStarted {
        /// Why.
        cause: String,
    },
    /// The run was stopped by a failure, and what it has confirmed is undone.
    ScopeUndone {
        /// The host whose failure it was.
        because: HostName,
        /// The hosts that are undone.
        hosts: Vec<HostName>,
    },
    /// A host that was confirmed is taken back to before a run, by a guarded transaction of its own.
    GoingBack {
        /// The run.
        to: String,
        /// Why.
        cause: String,
    },
    /// An item of the undo ended.
    UndoItem {
        /// Which change or path.
        item: String,
        /// It is as before.
        ok: bool,
        /// What is wrong, or what was noticed.
        detail: String,
    },
    /// A check was asked again after an undo. It decides nothing.
    CheckedAgain {
        /// The check's name.
        check: String,
        /// Its verdict.
        status: CheckStatus,
        /// Its last line, or why it could not be run.
        detail: String,
        /// It counts for the host's health.
        required: bool,
    },
    /// The hosts of a batch are worked on from here on.
    BatchStarted {
        /// Its number, from 1.
        batch: usize,
        /// How many batches there are; 0 in records of before this was told.
        #[serde(default)]
        of: usize,
        /// What it is for.
        kind: BatchKind,
        /// Its hosts.
        hosts: Vec<HostName>,
    },
    /// All hosts of the batch that change have passed and are given enough time: all are confirmed.
    BatchConfirming {
        /// The batch's number.
        batch: usize,
        /// How many hosts.
        hosts: usize,
    },
    /// Hosts that were to be confirmed together were confirmed in part.
    BatchSplit {
        /// The batch's number.
        batch: usize,
        /// How each ended that took part.
        hosts: BTreeMap<String, HostResult>,
    },
    /// The checks of the batch's hosts go on.
    BakeStarted {
        /// The batch's number.
        batch: usize,
        /// For so many seconds.
        secs: u64,
    },
    /// The run waits to be promoted.
    GateReached {
        /// The number of the batch behind the gate.
        next: usize,
        /// For so many seconds; then it is aborted.
        secs: u64,
    },
    /// No more hosts are begun.
    RolloutEnded {
        /// Why.
        ending: Ending,
        /// How many hosts have failed.
        failures: usize,
        /// How many hosts were not reached.
        not_reached: usize,
    },
    /// Something that the person should know.
    Warning {
        /// What.
        text: String,
    },
    /// The host is done with (terminal for the host).
    HostFinished {
        /// The result's word.
        result: HostResult,
        /// Why, when it isn't good; empty otherwise.
        cause: String,
        /// What state the host is in now, read back from it or said to be unread.
        state: String,
        /// What to do next, a command where there is one; empty when nothing is to be done.
        next: String,
        /// After an undo: what the checks said then; absent when none was asked.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        health: Option<Health>,
        /// The checks that failed then, each with its reason.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        failing: Vec<String>,
    },
    /// The run is over (terminal).
    RunFinished {
        /// Every host's result.
        hosts: BTreeMap<String, HostResult>,
        /// The process's exit code.
        exit_code: u8,
        /// How long the run took, in milliseconds.
        ms: u64,
    },
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// It holds.
    Passed,
    /// It said no.
    Failed,
    /// It could not be run or did not end in time.
    Error,
    /// It was red before the change and is only reported.
    RedBefore,
}

impl CheckStatus {
    /// Returns the word used in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::RedBefore => "red_before",
        }
    }
}

impl EventKind {
    /// Returns whether the event may be lost under load.
    #[must_use]
    pub fn weight(&self) -> Weight {
        match self {
            Self::Output { .. } => Weight::MayDrop,
            _ => Weight::Keep,
        }
    }

    /// Returns whether nothing more follows: for the host, or for the run.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::HostFinished { .. } | Self::RunFinished { .. })
    }
}

/// Makes control characters visible, so that nothing a target prints can drive a terminal.
///
/// Tab stays a blank; everything else below U+0020, U+007F and the C1 range becomes `\x..`; bidirectional
/// overrides, which can make a line read differently from what it says, become `\u{..}`.
#[must_use]
pub fn visible(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push(' '),
            c if (c as u32) < 0x20 || (0x7f..=0x9f).contains(&(c as u32)) => {
                out.push_str(&format!("\\x{:02x}", c as u32));
            }
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push_str(&format!("\\u{{{:x}}}", c as u32));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_a_terminal_become_visible() {
        assert_eq!(visible("a\u{1b}[2Jb\tc\r\u{9b}"), "a\\x1b[2Jb c\\x0d\\x9b");
        assert_eq!(visible("\u{202e}evil"), "\\u{202e}evil");
        assert_eq!(visible("größe ✓"), "größe ✓");
    }
}
