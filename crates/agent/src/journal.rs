//! The lines of a transaction's journal, as the target's runner and supervisor wrote them.

use snapback_core::outcome::Health;

/// What a line of the journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The guard is armed and was read back.
    Armed {
        /// `systemd` or `bare`.
        backend: String,
        /// What undoes after a reboot, or `none`.
        hook: String,
        /// Seconds that apply may take.
        apply_timeout: u64,
        /// Seconds of the confirm window.
        window: u64,
        /// Seconds that an undo may take at most.
        undo: u64,
    },
    /// The runner was started.
    Applying,
    /// A change began.
    ChangeStarted {
        /// Its index.
        n: usize,
    },
    /// A change ended well.
    ChangeFinished {
        /// Its index.
        n: usize,
        /// How long it took, in milliseconds.
        ms: u64,
    },
    /// A line of a command's output.
    Output {
        /// Which step.
        step: String,
        /// The line.
        line: String,
    },
    /// Apply ended.
    Applied {
        /// Seconds until the guard undoes.
        left: u64,
    },
    /// A remote check came to its verdict.
    Check {
        /// Index among the remote checks.
        n: usize,
        /// `passed`, `failed`, `error` or `red_before`.
        status: String,
        /// Its last line or why it could not run.
        detail: String,
    },
    /// A confirmation may come.
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
    /// The undo began.
    RollingBack {
        /// Why.
        cause: String,
    },
    /// What failed is tried again, and what was told broken may have been mended.
    UndoAgain {
        /// Why now.
        text: String,
    },
    /// An item of the undo ended.
    UndoItem {
        /// It is as before.
        ok: bool,
        /// Which item, and what is wrong with it.
        text: String,
    },
    /// The old state is back and verified.
    RolledBack {
        /// How long after the deadline the guard began, in milliseconds; 0 when it was told to.
        late_ms: u64,
        /// What the remote checks said then; nothing where none was asked.
        health: Option<Health>,
        /// Why it was undone.
        cause: String,
    },
    /// A remote check was asked again after the undo.
    Recheck {
        /// Index among the remote checks.
        n: usize,
        /// `passed`, `failed`, `error` or `red_before`.
        status: String,
        /// Its last line or why it could not run.
        detail: String,
    },
    /// The undo left something broken.
    RollbackFailed {
        /// Why it was undone.
        cause: String,
    },
    /// A required check was red, and a person has confirmed all the same.
    Despite {
        /// The check's name, and why it was red.
        text: String,
    },
    /// The change stays.
    Confirmed,
    /// Dropped before arming.
    Discarded,
    /// Something that a person should know.
    Warning {
        /// What.
        text: String,
    },
}

impl Entry {
    /// Returns whether nothing follows it in the journal, for now. It may be told again, so that its end is known.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(
            self,
            Self::RolledBack { .. } | Self::RollbackFailed { .. } | Self::Confirmed | Self::Discarded
        )
    }
}

/// The words of a marked line: `word key=value ... -- text`.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    pub(crate) word: &'a str,
    head: &'a str,
    pub(crate) text: &'a str,
}

impl<'a> Fields<'a> {
    pub(crate) fn split(line: &'a str) -> Self {
        let (head, text) = match line.split_once(" -- ") {
            Some(parts) => parts,
            None => (line.strip_suffix(" --").unwrap_or(line), ""),
        };
        let word = head.split(' ').next().unwrap_or("");
        Self { word, head, text }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'a str> {
        self.head.split(' ').skip(1).find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
    }

    pub(crate) fn number<N: std::str::FromStr + Default>(&self, key: &str) -> N {
        self.get(key).and_then(|v| v.parse().ok()).unwrap_or_default()
    }

    pub(crate) fn word_of(&self, key: &str) -> String {
        self.get(key).unwrap_or_default().to_owned()
    }
}

/// Reads a line of the journal; `None` for a line of a kind that this version doesn't know.
#[must_use]
pub fn parse(line: &str) -> Option<Entry> {
    let f = Fields::split(line);
    let text = f.text.to_owned();
    Some(match f.word {
        "armed" => Entry::Armed {
            backend: f.word_of("backend"),
            hook: f.word_of("hook"),
            apply_timeout: f.number("apply_timeout"),
            window: f.number("window"),
            undo: f.number("undo"),
        },
        "applying" => Entry::Applying,
        "change_started" => Entry::ChangeStarted { n: f.number("n") },
        "change_finished" => Entry::ChangeFinished { n: f.number("n"), ms: f.number("ms") },
        "output" => output(line),
        "applied" => Entry::Applied { left: f.number("left") },
        "check" => Entry::Check { n: f.number("n"), status: f.word_of("status"), detail: text },
        "ready" => Entry::Ready { left: f.number("left") },
        "extended" => Entry::Extended { by: f.number("by"), left: f.number("left") },
        "rolling_back" => Entry::RollingBack { cause: text },
        "undo_again" => Entry::UndoAgain { text },
        "undo_item" => Entry::UndoItem { ok: f.get("ok") == Some("1"), text },
        "recheck" => Entry::Recheck { n: f.number("n"), status: f.word_of("status"), detail: text },
        "rolled_back" => Entry::RolledBack {
            late_ms: f.number("late_ms"),
            health: f.get("healthy").and_then(Health::of_word),
            cause: text,
        },
        "rollback_failed" => Entry::RollbackFailed { cause: text },
        "despite" => Entry::Despite { text },
        "confirmed" => Entry::Confirmed,
        "discarded" => Entry::Discarded,
        "warning" => Entry::Warning { text },
        _ => return None,
    })
}

/// A step's name may hold blanks: it is everything between `step=` and the text.
fn output(line: &str) -> Entry {
    let rest = line.strip_prefix("output step=").unwrap_or_default();
    let (step, text) = rest.split_once(" -- ").unwrap_or((rest, ""));
    Entry::Output { step: step.to_owned(), line: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_text_are_told_apart() {
        assert_eq!(
            parse("rolled_back late_ms=120 healthy=no -- check 'x' failed: a -- b=c"),
            Some(Entry::RolledBack {
                late_ms: 120,
                health: Some(Health::Failing),
                cause: "check 'x' failed: a -- b=c".to_owned()
            })
        );
        assert_eq!(
            parse("check status=failed required=1 n=2 -- "),
            Some(Entry::Check { n: 2, status: "failed".to_owned(), detail: String::new() })
        );
        assert_eq!(
            parse("output step=my change -- hello"),
            Some(Entry::Output { step: "my change".to_owned(), line: "hello".to_owned() })
        );
        assert_eq!(parse("something_new n=1"), None);
    }
}
