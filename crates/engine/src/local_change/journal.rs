//! What the run's record says of local changes: written durably before and after each command.

use serde::{Deserialize, Serialize};
use snapback_core::host::HostName;
use snapback_core::local_change::{LocalChange, LocalDeed};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `KEY=VALUE` lines, the keys in capitals.
pub(crate) type Pairs = Vec<(String, String)>;

/// One line of the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalEntry {
    /// The host that it was done for.
    pub(crate) host: HostName,
    /// Which of the host's local changes, from 0.
    pub(crate) step: usize,
    /// What is about to be done, or was.
    #[serde(flatten)]
    pub(crate) moment: Moment,
}

/// What is about to be done, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "moment", rename_all = "snake_case")]
pub(crate) enum Moment {
    /// `apply` is about to run. All that its undo needs is here.
    Applying {
        /// What it is, and with which values.
        begun: Box<Begun>,
    },
    /// `apply` has ended, well or not.
    Applied {
        /// What it wrote to `$DEPLOY_OUTPUT`.
        output: Pairs,
        /// Why it failed, if it did.
        failed: Option<String>,
    },
    /// `rollback` or `after` is about to run.
    Starting {
        /// Which.
        deed: LocalDeed,
    },
    /// `rollback` or `after` has ended.
    Ended {
        /// Which.
        deed: LocalDeed,
        /// Why it failed, if it did.
        failed: Option<String>,
    },
    /// Nothing is left to be done for the host.
    Closed,
}

/// A local change that was begun, with the values that it got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begun {
    pub(crate) change: LocalChange,
    /// Where it runs.
    pub(crate) dir: PathBuf,
    /// Its environment, without facts and outputs.
    pub(crate) vars: Pairs,
    pub(crate) facts: Pairs,
    /// The file behind `$DEPLOY_OUTPUT`. No other step has the same.
    pub(crate) output: PathBuf,
}

/// A local change that was begun, and how far it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) begun: Begun,
    pub(crate) output: Pairs,
    /// A command of it may still run: whoever started it didn't live to see its end.
    pub(crate) may_run: bool,
    pub(crate) undone: bool,
    pub(crate) finished: bool,
}

impl Step {
    pub(crate) fn new(begun: Begun) -> Self {
        Self { begun, output: Pairs::new(), may_run: true, undone: false, finished: false }
    }

    fn hear(&mut self, moment: &Moment) {
        self.may_run = matches!(moment, Moment::Starting { .. });
        match moment {
            Moment::Applied { output, .. } => self.output.clone_from(output),
            Moment::Ended { deed: LocalDeed::Rollback, failed: None } => self.undone = true,
            Moment::Ended { deed: LocalDeed::After, failed: None } => self.finished = true,
            _ => {}
        }
    }
}

/// Returns the hosts for which something is left to be done, with their steps in order.
pub(crate) fn open_steps(entries: &[LocalEntry]) -> BTreeMap<HostName, Vec<Step>> {
    let mut open: BTreeMap<HostName, Vec<Step>> = BTreeMap::new();
    for entry in entries {
        match &entry.moment {
            Moment::Closed => drop(open.remove(&entry.host)),
            Moment::Applying { begun } => {
                open.entry(entry.host.clone()).or_default().push(Step::new((**begun).clone()));
            }
            moment => {
                if let Some(step) = open.get_mut(&entry.host).and_then(|steps| steps.get_mut(entry.step)) {
                    step.hear(moment);
                }
            }
        }
    }
    open
}

/// Returns the pairs of lines that are `KEY=VALUE`; others are no concern of ours.
pub(crate) fn pairs<'l>(lines: impl Iterator<Item = &'l str>) -> Pairs {
    let pair = |line: &'l str| {
        let (key, value) = line.split_once('=')?;
        let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        // A value with a NUL can't be in an environment.
        (plain && !value.contains('\0')).then(|| (key.to_uppercase(), value.to_owned()))
    };
    lines.filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pairs_count() {
        let found = pairs(["a=1", "noise", "B_2=x=y", "=z", "a b=c", "c=\0"].into_iter());
        assert_eq!(found, [("A".to_owned(), "1".to_owned()), ("B_2".to_owned(), "x=y".to_owned())]);
    }
}
