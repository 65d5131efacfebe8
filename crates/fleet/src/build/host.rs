//! What one host gets of the changes.

use super::Bench;
use super::conflict::Claims;
use super::files::touch;
use super::protect::{Protection, Touch};
use super::ready::{Ready, Work};
use super::source::Prepared;
use crate::place::{At, Place};
use crate::template::Context;
use snapback_core::change::{Change, ChangeKind, FilesChange, ScriptChange};
use snapback_core::host::HostName;
use snapback_core::local_change::LocalChange;

/// One host, as its templates see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) name: &'a HostName,
    pub(super) context: &'a Context,
}

/// Puts the changes of one host together.
#[derive(Debug)]
pub(super) struct Assembly<'a, 'r> {
    bench: &'a mut Bench<'r>,
    target: Target<'a>,
    protection: &'a Protection,
    claims: Claims<'a>,
}

/// Returns the changes that are made on the controller, in order.
pub(super) fn local_changes(ready: &[&Ready<'_>]) -> Vec<LocalChange> {
    let local = |ready: &&Ready<'_>| match &ready.work {
        Work::Local(change) => Some((**change).clone()),
        _ => None,
    };
    ready.iter().filter_map(local).collect()
}

impl<'a, 'r: 'a> Assembly<'a, 'r> {
    /// Returns the assembly of a host that has no change yet.
    pub(super) fn of(bench: &'a mut Bench<'r>, target: Target<'a>, protection: &'a Protection) -> Self {
        let claims = Claims::of(target.name, bench.report);
        Self { bench, target, protection, claims }
    }

    /// Returns all changes of the host itself, in order.
    pub(super) fn changes(mut self, ready: &[&Ready<'_>]) -> Vec<Change> {
        let changes = ready.iter().enumerate().filter_map(|(at, ready)| self.change(at, ready)).collect();
        self.claims.finish();
        changes
    }

    fn change(&mut self, at: usize, ready: &Ready<'_>) -> Option<Change> {
        let kind = match &ready.work {
            Work::Files { entries, validate, handlers } => {
                let mut change = FilesChange {
                    validate: validate.clone(),
                    handlers: handlers.clone(),
                    timeout: ready.timeout,
                    ..FilesChange::default()
                };
                for entry in entries {
                    self.put(at, ready, entry, &mut change);
                }
                change.entries.sort_by(|a, b| a.dest.cmp(&b.dest));
                ChangeKind::Files(change)
            }
            Work::Script { raw, commands } => {
                let watch = raw.watch.iter().filter_map(|path| self.watched(path, ready)).collect();
                ChangeKind::Script(Box::new(ScriptChange { watch, ..(**commands).clone() }))
            }
            Work::Local(_) => return None,
        };
        Some(Change { name: ready.name.clone(), kind })
    }

    fn put(&mut self, at: usize, ready: &Ready<'_>, entry: &Prepared<'_>, change: &mut FilesChange) {
        let Some(placed) = self.bench.place(entry, self.target) else { return };
        for claim in placed.claims {
            self.guard(&claim.entry.dest, touch(&claim.entry), ready, &claim.place);
            if self.claims.take(at, &claim) {
                change.entries.push(claim.entry);
            }
        }
        for (folder, place) in placed.purge {
            self.guard(&folder, Touch::Whole, ready, &place);
            self.claims.purge(at, &folder, &place);
            change.purge.push(folder);
        }
    }

    fn watched(&self, path: &At<String>, ready: &Ready<'_>) -> Option<String> {
        let (bare, _) = self.bench.path(path, self.target)?;
        let bare = if bare.is_empty() { "/".to_owned() } else { bare };
        self.guard(&bare, Touch::Whole, ready, &path.place);
        Some(bare)
    }

    fn guard(&self, path: &str, touch: Touch, ready: &Ready<'_>, place: &Place) {
        if let Some(problem) = self.protection.judge(path, touch, &ready.allow, place) {
            self.bench.report.add(problem.on(self.target.name));
        }
    }
}
