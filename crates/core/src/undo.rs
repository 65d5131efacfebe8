//! What an undo may take, and what is left when it fails.

use crate::change::{Change, ChangeKind, Command};
use crate::inspection::{ChangeInspection, Inspection};
use crate::job::HostJob;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// The user's last resort, for when an undo has failed and was tried again in vain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastResort {
    /// A script that mends what the undo could not; then everything is tried and verified once more.
    pub failsafe: Option<Command>,
    /// If nothing else helped, the host is started again, once.
    pub reboot: bool,
}

/// Putting a change's files back has at least so long, however short the limits of its commands are.
const RESTORE_AT_LEAST: Duration = Duration::from_secs(30);
/// What was ended at its limit may take so long to go.
const GOING: Duration = Duration::from_secs(3);
/// For ending what the change still runs, twice.
const ALONE: Duration = Duration::from_secs(15);
/// For a reboot that is ordered, and ordered again by force.
const REBOOT: Duration = Duration::from_secs(150);

/// Returns the longest that an undo of this job may take on its host, from the decision to its end: the sum of the
/// limits of its items, each tried twice. Without an inspection all changes are taken for due.
///
/// What a script watches is not counted: its size is known to the target alone, whose own figure (`undo` when it
/// arms) is made in the same way (`undo_limit` in `agent-scripts/lib/undo.sh`).
#[must_use]
pub fn undo_limit(job: &HostJob, inspection: Option<&Inspection>) -> Duration {
    let mut sum = Sum::default();
    for (n, change) in job.changes.iter().enumerate() {
        let found = inspection.and_then(|i| i.changes.get(n));
        if found.is_none_or(ChangeInspection::would_change) {
            sum.add(change, found);
        }
    }
    let handlers = u32::try_from(sum.handlers.len()).unwrap_or(u32::MAX);
    let pass = sum.pass + (sum.longest + GOING) * handlers;
    let mut limit = pass * 2 + ALONE;
    if sum.scripts {
        limit += sum.files;
    }
    if job.last_resort.failsafe.is_some() {
        limit += pass + whole(job.confirm.apply_timeout) + GOING;
    }
    if job.last_resort.reboot { limit + REBOOT } else { limit }
}

/// The limits of a job's items.
#[derive(Default)]
struct Sum<'a> {
    /// Everything once, without handlers.
    pass: Duration,
    /// Files alone, once.
    files: Duration,
    handlers: BTreeSet<&'a str>,
    /// The longest limit of a handler.
    longest: Duration,
    scripts: bool,
}

impl<'a> Sum<'a> {
    fn add(&mut self, change: &'a Change, found: Option<&ChangeInspection>) {
        match &change.kind {
            ChangeKind::Files(files) => {
                let restore = restore_limit(files.timeout, found) + GOING;
                self.files += restore;
                self.pass += restore;
                self.handlers.extend(files.handlers.iter().map(handler_key));
                if !files.handlers.is_empty() {
                    self.longest = self.longest.max(whole(files.timeout));
                }
            }
            // What it holds is known to the target alone, as is what a script watches.
            ChangeKind::Revert(revert) => {
                self.scripts = true;
                let restore = restore_limit(revert.timeout, None) + GOING;
                self.files += restore;
                self.pass += restore * 2;
                self.longest = self.longest.max(whole(revert.timeout));
            }
            ChangeKind::Script(script) => {
                self.scripts = true;
                let restore = match script.watch.is_empty() {
                    true => Duration::ZERO,
                    false => restore_limit(script.timeout, None) + GOING,
                };
                self.files += restore;
                self.pass += restore;
                if script.rollback.is_some() {
                    self.pass += whole(script.timeout) + GOING + restore;
                }
            }
        }
    }
}

fn handler_key(handler: &Command) -> &str {
    match handler {
        Command::Inline(text) => text,
        Command::File { content, .. } => &content.0,
    }
}

/// A slow disk puts back 50 paths or 4 MB in a second. A path may stand in a folder that is put back as well.
fn restore_limit(timeout: Duration, found: Option<&ChangeInspection>) -> Duration {
    let mut limit = whole(timeout).max(RESTORE_AT_LEAST);
    if let Some(ChangeInspection::Files { differ, delete }) = found {
        let paths = 2 * (differ.len() + delete.len()) as u64;
        let kilobytes: u64 = differ.iter().map(|d| d.now.size / 1000).sum();
        limit += Duration::from_secs(paths / 50 + kilobytes / 4000);
    }
    limit
}

/// The target counts in whole seconds, rounded up.
fn whole(limit: Duration) -> Duration {
    Duration::from_secs(limit.as_secs() + u64::from(limit.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{FilesChange, ScriptChange};
    use crate::deadline::ConfirmPolicy;
    use crate::host::HostName;
    use crate::inspection::{PathDiffers, PathState};
    use crate::way::Become;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn inline(text: &str) -> Command {
        Command::Inline(text.to_owned())
    }

    fn job(changes: Vec<ChangeKind>) -> HostJob {
        HostJob {
            local: Vec::new(),
            host: HostName::parse("a").unwrap(),
            ways: Vec::new(),
            r#become: Become::Auto,
            changes: changes.into_iter().map(|kind| Change { name: String::new(), kind }).collect(),
            checks: Vec::new(),
            confirm: ConfirmPolicy { apply_timeout: secs(100), ..POLICY },
            proof: Default::default(),
            last_resort: LastResort::default(),
            keep: 5,
            protected: false,
            vars: std::collections::BTreeMap::new(),
        }
    }

    const POLICY: ConfirmPolicy = ConfirmPolicy {
        window: Duration::ZERO,
        apply_timeout: Duration::ZERO,
        hard_cap: Duration::ZERO,
        settle: Duration::ZERO,
        reorder_kex: true,
    };

    fn files(timeout: u64, handlers: &[&str]) -> ChangeKind {
        ChangeKind::Files(FilesChange {
            timeout: secs(timeout),
            handlers: handlers.iter().map(|h| inline(h)).collect(),
            ..FilesChange::default()
        })
    }

    fn script(timeout: u64) -> ChangeKind {
        ChangeKind::Script(Box::new(ScriptChange {
            facts: None,
            unless: None,
            apply: inline("true"),
            rollback: Some(inline("true")),
            watch: Vec::new(),
            irreversible: false,
            timeout: secs(timeout),
        }))
    }

    #[test]
    fn each_item_counts_twice_and_a_handler_once_for_its_text() {
        assert_eq!(undo_limit(&job(vec![files(5, &["x"])]), None), secs(2 * (33 + 8) + 15));
        let two = job(vec![files(5, &["x"]), files(60, &["x", "y"])]);
        assert_eq!(undo_limit(&two, None), secs(2 * (33 + 63 + 2 * 63) + 15));
        assert_eq!(undo_limit(&job(vec![script(7)]), None), secs(2 * 10 + 15));
        let mixed = job(vec![files(5, &[]), script(7)]);
        assert_eq!(undo_limit(&mixed, None), secs(2 * (33 + 10) + 33 + 15), "files alone, once more");
    }

    #[test]
    fn the_last_resort_takes_its_time_as_well() {
        let mut job = job(vec![script(7)]);
        job.last_resort.failsafe = Some(inline("mend"));
        assert_eq!(undo_limit(&job, None), secs(2 * 10 + 15 + 10 + 103));
        job.last_resort.reboot = true;
        assert_eq!(undo_limit(&job, None), secs(2 * 10 + 15 + 10 + 103 + 150));
    }

    #[test]
    fn much_to_put_back_may_take_longer_and_what_is_not_due_takes_nothing() {
        let now = PathState { size: 1_000_000_000, ..PathState::default() };
        let differ = vec![PathDiffers { entry: 0, now, text: None }];
        let inspection = |differ| Inspection {
            changes: vec![ChangeInspection::Files { differ, delete: Vec::new() }],
            ..Inspection::default()
        };
        let job = job(vec![files(60, &["x"])]);
        assert_eq!(undo_limit(&job, Some(&inspection(differ))), secs(2 * (60 + 250 + 3 + 63) + 15));
        assert_eq!(undo_limit(&job, Some(&inspection(Vec::new()))), secs(15));
    }
}
