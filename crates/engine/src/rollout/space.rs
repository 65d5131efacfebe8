//! Whether what will be sent to a host, and the copies of what it replaces, find room there: known before the first change.

use crate::verdict::Verdict;
use snapback_core::change::{ChangeKind, EntryKind, FilesChange};
use snapback_core::inspection::{ChangeInspection, Inspection};
use snapback_core::job::HostJob;
use std::collections::BTreeSet;
use std::path::Path;

/// What the record of a transaction, its journal and the reserve for its undo take.
const RECORD_BYTES: u64 = 1 << 20;

/// How many files a record has beside what is counted: marks, specs, the steps of a change.
const RECORD_FILES: u64 = 64;

/// File systems give room by blocks; most have this size.
const BLOCK: u64 = 4096;

/// What is needed on the file system of the state directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Need {
    bytes: u64,
    files: u64,
}

/// Returns why the host would have no room, if so.
pub(crate) fn refusal(job: &HostJob, found: &Inspection) -> Option<Verdict> {
    let (guard, need) = (&found.guard, need(job, found));
    let text = if guard.free_bytes < need.bytes {
        format!(
            "{} KiB are needed in {} to stage the change and to keep what it replaces, and {} are free",
            need.bytes.div_ceil(1024),
            guard.state_dir,
            guard.free_bytes / 1024
        )
    } else {
        let free = found.space?.free_inodes.filter(|free| *free < need.files)?;
        format!(
            "{} files are needed in {} to stage the change and to keep what it replaces, and its file system has room for {free}",
            need.files, guard.state_dir
        )
    };
    Some(Verdict::refused("no_space", &text, None))
}

fn need(job: &HostJob, found: &Inspection) -> Need {
    let space = found.space.unwrap_or_default();
    let mut need = Need {
        bytes: RECORD_BYTES + space.copies_bytes,
        files: RECORD_FILES + space.copies + 8 * job.changes.len() as u64,
    };
    for (change, found) in job.changes.iter().zip(&found.changes) {
        if let (ChangeKind::Files(files), ChangeInspection::Files { differ, .. }) = (&change.kind, found) {
            need.stage(files, differ.iter().map(|differs| differs.entry));
        }
    }
    need
}

impl Need {
    /// Adds the new files, which lie as a tree below the transaction; the copies of the old ones lie below folders of the
    /// same names.
    fn stage(&mut self, files: &FilesChange, differing: impl Iterator<Item = usize>) {
        let mut folders = BTreeSet::new();
        for entry in differing.filter_map(|entry| files.entries.get(entry)) {
            folders.extend(Path::new(&entry.dest).ancestors().skip(1));
            self.files += 1;
            if let EntryKind::File { size, .. } = &entry.what {
                self.bytes += size.div_ceil(BLOCK) * BLOCK;
            }
        }
        self.files += 2 * folders.len() as u64;
        self.bytes += 2 * BLOCK * folders.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use snapback_core::change::FileEntry;
    use snapback_core::content::Sha256Hex;

    fn file(dest: &str, size: u64) -> FileEntry {
        let what =
            EntryKind::File { content: Sha256Hex(String::new()), size, source: "x".into(), secret: false };
        FileEntry { dest: dest.to_owned(), what, mode: 0o644, owner: None, group: None }
    }

    #[test]
    fn what_differs_is_staged_in_whole_blocks_below_its_folders() {
        let files = FilesChange {
            entries: vec![file("/etc/a/one", 1), file("/etc/a/two", 5000), file("/srv/same", 1 << 30)],
            ..FilesChange::default()
        };
        let mut need = Need::default();
        need.stage(&files, [0, 1].into_iter());
        // /, /etc, /etc/a, each for the new and for the old.
        assert_eq!(need, Need { bytes: 3 * 4096 + 6 * 4096, files: 2 + 6 });
    }
}
