//! The marked lines of the agent. Whatever isn't marked with this channel's nonce is noise.

use crate::journal::{self, Entry, Fields};
use snapback_core::event::visible;
use snapback_core::inspection::Pending;
use snapback_core::lease::{Lease, Origin};

/// One line of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The target has no agent of this version: send it.
    NeedAgent,
    /// Nothing gives this user root there.
    NoBecome {
        /// The user id.
        uid: u32,
        /// What the programs said that were tried.
        why: String,
    },
    /// The agent's side is reached; from here on what is sent is read by nobody else.
    Inside {
        /// How root was reached: `root` (logged in as), `none`, `sudo`, `sudo_ask`, `doas`, `run0`.
        how: String,
    },
    /// What was sent could not be unpacked; the text is `df`'s line.
    UnpackFailed(String),
    /// A line for [`crate::inspect`].
    Inspect(InspectLine),
    /// A transaction is open.
    Pending(Pending),
    /// Another run holds the lease.
    Lease(Lease),
    /// The lease is this run's.
    Leased,
    /// The lease that was named is given back.
    Unleased,
    /// The newest transaction that is over.
    Last(Last),
    /// An item that the last rollback left broken.
    LastItem(String),
    /// An item that the failed rollback of the open transaction left broken.
    PendingItem(String),
    /// No, and nothing is armed.
    Refused {
        /// A word: `locked`, `no_space`, `stale_plan`, ...
        reason: String,
        /// A sentence.
        text: String,
    },
    /// The confirmation was not taken.
    Denied {
        /// A word: `too_late`, `stale_connection`, `not_ready`, `bad_token`, ...
        reason: String,
        /// A sentence.
        text: String,
    },
    /// A line of the journal and its number.
    Journal(u64, Entry),
    /// The confirmation is carried out and durable.
    Confirmed,
    /// This connection got in and is fresh; nothing was decided.
    LetIn,
    /// What the controller has found red vetoes there now.
    Vetoed,
    /// The deadline was moved.
    Extended {
        /// By how many seconds; fewer than asked for where the hard cap is near.
        by: u64,
        /// Seconds until the guard undoes.
        left: u64,
    },
    /// Decided for confirming, not carried out yet.
    Confirming,
    /// The host knows of no such transaction.
    Untouched(String),
    /// A `rollback_failed` was accepted as it is.
    Accepted,
    /// Every trace is gone.
    Forgotten,
    /// A run that the host keeps.
    Held(Held),
    /// What was kept of a run is gone.
    Freed,
    /// A finding of `doctor`.
    Doctor {
        /// What was looked at.
        item: String,
        /// It is fine.
        ok: bool,
        /// What was found.
        text: String,
    },
    /// What one attempt of a remote check said, outside of a transaction.
    Probed {
        /// Its number among the remote checks.
        n: usize,
        /// What it said.
        answer: snapback_core::check::Answer,
    },
    /// The agent itself failed.
    Error(String),
    /// The agent has said all it had to say. Without this line the answer was cut.
    End,
}

/// A line that belongs to an inspection, still as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InspectLine {
    /// A marked line.
    Marked(String),
    /// A line of a file's text, behind its path.
    Text(Vec<u8>),
}

/// The newest transaction that is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Last {
    /// Its id.
    pub tx: String,
    /// `confirmed`, `rolled_back`, `discarded` or `accepted`.
    pub result: String,
    /// Seconds since it ended, by the target's clock.
    pub age: u64,
    /// Who began it.
    pub owner: String,
}

/// A run that was confirmed on a host, and what the host holds of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Its id.
    pub tx: String,
    /// The fleet's name.
    pub fleet: String,
    /// It was itself a rollback.
    pub is_rollback: bool,
    /// `confirmed`, `accepted`, or `freed`: what going back to before it would need is gone.
    pub state: String,
    /// A later rollback has undone it.
    pub undone: bool,
    /// When it was confirmed, by the target's clock, in seconds since 1970.
    pub at: u64,
    /// How many paths it touched.
    pub paths: u64,
    /// How many changes it had.
    pub changes: u64,
    /// Who began it.
    pub owner: String,
    /// What it was for.
    pub comment: String,
}

impl Held {
    /// Returns whether one can go back to before it.
    #[must_use]
    pub fn is_candidate(&self) -> bool {
        self.state == "confirmed" && !self.is_rollback && !self.undone
    }
}

fn held(f: &Fields<'_>) -> Held {
    Held {
        tx: visible(&f.word_of("tx")),
        fleet: visible(&f.word_of("fleet")),
        is_rollback: f.get("kind") == Some("rollback"),
        state: visible(&f.word_of("state")),
        undone: f.get("undone") == Some("1"),
        at: f.number("at"),
        paths: f.number("paths"),
        changes: f.number("changes"),
        owner: visible(&f.word_of("owner")),
        comment: visible(f.text),
    }
}

/// Reads a line of standard output; `None` when it is noise or of a kind that this version doesn't know.
#[must_use]
pub fn parse(nonce: &str, line: &[u8]) -> Option<Answer> {
    let rest = line.strip_prefix(b"@snapback:")?.strip_prefix(nonce.as_bytes())?.strip_prefix(b" ")?;
    if let Some(text) = rest.strip_prefix(b"| ") {
        return Some(Answer::Inspect(InspectLine::Text(text.to_vec())));
    }
    let text = String::from_utf8_lossy(rest);
    marked(&text)
}

fn probed(status: Option<&str>, text: String) -> snapback_core::check::Answer {
    use snapback_core::check::Answer;
    match status {
        Some("passed") => Answer::Passed,
        Some("failed") => Answer::Failed(text),
        _ => Answer::Error(text),
    }
}

fn marked(line: &str) -> Option<Answer> {
    let f = Fields::split(line);
    let text = visible(f.text);
    Some(match f.word {
        "need_agent" => Answer::NeedAgent,
        "no_become" => Answer::NoBecome { uid: f.number("uid"), why: text },
        "inside" => Answer::Inside { how: visible(&f.word_of("how")) },
        "unpack_failed" => Answer::UnpackFailed(text),
        "hello" | "limit" | "space" | "path" | "delete" | "script" | "texts" | "state_digest"
        | "revert_path" | "revert_script" | "revert_handler" => {
            Answer::Inspect(InspectLine::Marked(line.to_owned()))
        }
        "held" => Answer::Held(held(&f)),
        "freed" => Answer::Freed,
        "pending" => Answer::Pending(pending(&f)),
        "lease" => Answer::Lease(lease(&f)),
        "leased" => Answer::Leased,
        "unleased" => Answer::Unleased,
        "last" => Answer::Last(Last {
            tx: visible(&f.word_of("tx")),
            result: visible(&f.word_of("result")),
            age: f.number("age"),
            owner: visible(&f.word_of("owner")),
        }),
        "last_item" => Answer::LastItem(text),
        "pending_item" => Answer::PendingItem(text),
        "refused" => Answer::Refused { reason: visible(&f.word_of("reason")), text },
        "denied" => Answer::Denied { reason: visible(&f.word_of("reason")), text },
        "j" => return numbered(line),
        "confirmed" => Answer::Confirmed,
        "confirming" => Answer::Confirming,
        "let_in" => Answer::LetIn,
        "vetoed" => Answer::Vetoed,
        "extended" => Answer::Extended { by: f.number("by"), left: f.number("left") },
        "untouched" => Answer::Untouched(text),
        "accepted" => Answer::Accepted,
        "forgotten" => Answer::Forgotten,
        "probed" => Answer::Probed { n: f.number("n"), answer: probed(f.get("status"), text) },
        "doctor" => Answer::Doctor { item: visible(&f.word_of("item")), ok: f.get("ok") == Some("1"), text },
        "error" => Answer::Error(text),
        "end" => Answer::End,
        _ => return None,
    })
}

fn pending(f: &Fields<'_>) -> Pending {
    Pending {
        tx: visible(&f.word_of("tx")),
        owner: visible(&f.word_of("owner")),
        origin: origin(f),
        comment: visible(f.text),
        state: visible(&f.word_of("state")),
        age: f.number("age"),
        left: f.get("left").and_then(|v| v.parse().ok()),
        over_in: f.get("over_in").and_then(|v| v.parse().ok()),
    }
}

fn lease(f: &Fields<'_>) -> Lease {
    Lease {
        run: visible(&f.word_of("run")),
        owner: visible(&f.word_of("owner")),
        origin: origin(f),
        comment: visible(f.text),
        age: f.number("age"),
        left: f.number("left"),
    }
}

fn origin(f: &Fields<'_>) -> Origin {
    let known = |key| f.get(key).filter(|word| !matches!(*word, "" | "-")).map(visible);
    Origin { branch: known("branch"), url: known("url") }
}

fn numbered(line: &str) -> Option<Answer> {
    let (number, entry) = line.strip_prefix("j ")?.split_once(' ')?;
    Some(Answer::Journal(number.parse().ok()?, journal::parse(&visible(entry))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_not_an_answer() {
        for noise in ["Welcome!", "@snapback:other end", "@snapback:n1", "x@snapback:n1 end", ""] {
            assert_eq!(parse("n1", noise.as_bytes()), None, "{noise:?}");
        }
        assert_eq!(parse("n1", b"@snapback:n1 end"), Some(Answer::End));
        assert_eq!(parse("n1", b"@snapback:n1 some_future_word a=b"), None);
    }

    #[test]
    fn what_a_target_says_can_not_drive_a_terminal() {
        let answer = parse("n", b"@snapback:n refused reason=x -- \x1b[2Jgone \xff");
        let text = "\\x1b[2Jgone \u{fffd}".to_owned();
        assert_eq!(answer, Some(Answer::Refused { reason: "x".to_owned(), text }));
    }

    #[test]
    fn a_journal_line_carries_its_number() {
        assert_eq!(parse("n", b"@snapback:n j 7 confirmed"), Some(Answer::Journal(7, Entry::Confirmed)));
    }
}
