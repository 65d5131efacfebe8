//! Two entries that want the same path of one host.

use crate::place::Place;
use crate::problem::{Problem, Report};
use snapback_core::change::{EntryKind, FileEntry};
use snapback_core::host::HostName;
use std::collections::BTreeMap;

/// A path that an entry of the fleet file wants.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) entry: FileEntry,
    /// The `dest` that it comes from.
    pub(super) place: Place,
}

/// What all changes of one host want so far.
#[derive(Debug)]
pub(super) struct Claims<'a> {
    host: &'a HostName,
    report: &'a Report,
    claims: BTreeMap<String, (usize, Claim)>,
    purges: Vec<(usize, String, Place)>,
}

impl<'a> Claims<'a> {
    /// Returns the claims of a host that nothing has been claimed of.
    pub(super) fn of(host: &'a HostName, report: &'a Report) -> Self {
        Self { host, report, claims: BTreeMap::new(), purges: Vec::new() }
    }

    /// Takes a claim of one change, and returns whether it is new and to be kept.
    ///
    /// The same folder may be stated twice with the same words: two sources can share it.
    pub(super) fn take(&mut self, change: usize, claim: &Claim) -> bool {
        let path = &claim.entry.dest;
        let Some((first_change, first)) = self.claims.get(path) else {
            self.claims.insert(path.clone(), (change, claim.clone()));
            return true;
        };
        if first.entry.what == EntryKind::Dir && first.entry == claim.entry {
            return *first_change != change;
        }
        let both_folders = first.entry.what == EntryKind::Dir && claim.entry.what == EntryKind::Dir;
        let message = match both_folders {
            true => format!("the folder {path} is stated twice, with different mode, owner or group"),
            false => format!("{path} is written twice"),
        };
        self.complain(Problem::at(&claim.place, message).related(&first.place, "first here"));
        false
    }

    /// Takes down that a change deletes what it doesn't state in a folder.
    pub(super) fn purge(&mut self, change: usize, folder: &str, place: &Place) {
        self.purges.push((change, folder.to_owned(), place.clone()));
    }

    /// Looks for what can only be seen once all is claimed.
    pub(super) fn finish(&self) {
        for (change, claim) in self.claims.values() {
            self.below_no_folder(claim);
            self.purged_by_another(*change, claim);
        }
    }

    fn below_no_folder(&self, claim: &Claim) {
        let path = &claim.entry.dest;
        for (end, _) in path.match_indices('/').filter(|(end, _)| *end > 0) {
            let Some((_, above)) = self.claims.get(&path[..end]) else { continue };
            let what = match above.entry.what {
                EntryKind::Dir => continue,
                EntryKind::File { .. } => "a file",
                EntryKind::Symlink { .. } => "a link",
            };
            let message = format!("{path} can't be written: {} is to be {what}", &path[..end]);
            self.complain(Problem::at(&claim.place, message).related(&above.place, "stated here"));
        }
    }

    fn purged_by_another(&self, change: usize, claim: &Claim) {
        let path = &claim.entry.dest;
        for (_, folder, place) in self.purges.iter().filter(|(other, ..)| *other != change) {
            if super::dest::is_within(path, folder) && path != folder {
                let message = format!("this purges {folder}, and another change writes {path} there");
                let problem = Problem::at(place, message).related(&claim.place, "written here");
                self.complain(problem.hint("state both in one change, or purge neither"));
            }
        }
    }

    fn complain(&self, problem: Problem) {
        self.report.add(problem.on(self.host));
    }
}
