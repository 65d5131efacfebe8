//! What a `files` change would do to each path.

use snapback_core::change::{EntryKind, FileEntry, FilesChange};
use snapback_core::inspection::{ChangeInspection, PathDiffers, PathKind, PathState};

/// What would be done to one path.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed<'a> {
    /// Nothing is there yet.
    Create(&'a FileEntry),
    /// It stays what it is; its content, target, mode or owner changes.
    Change(&'a FileEntry, &'a PathDiffers),
    /// What is there is of another type and goes away.
    Replace(&'a FileEntry, &'a PathDiffers),
    /// It goes away.
    Delete(&'a str),
    /// The host named an entry that this change doesn't have.
    Stray(usize),
}

/// Returns what a `files` change would do, in manifest order, deletions last.
pub(super) fn deeds<'a>(change: &'a FilesChange, found: &'a ChangeInspection) -> Vec<Deed<'a>> {
    let ChangeInspection::Files { differ, delete } = found else { return Vec::new() };
    let stated = differ.iter().map(|differs| match change.entries.get(differs.entry) {
        None => Deed::Stray(differs.entry),
        Some(entry) if differs.now.kind == PathKind::Absent => Deed::Create(entry),
        Some(entry) if differs.now.kind == kind_of(entry) => Deed::Change(entry, differs),
        Some(entry) => Deed::Replace(entry, differs),
    });
    stated.chain(delete.iter().map(|path| Deed::Delete(path))).collect()
}

fn kind_of(entry: &FileEntry) -> PathKind {
    match entry.what {
        EntryKind::File { .. } => PathKind::File,
        EntryKind::Dir => PathKind::Dir,
        EntryKind::Symlink { .. } => PathKind::Symlink,
    }
}

/// Names what is at a path, e.g. `symlink to /srv`.
pub(super) fn what_is(now: &PathState) -> String {
    match now.kind {
        PathKind::Absent => "nothing".to_owned(),
        PathKind::File => "file".to_owned(),
        PathKind::Dir => "directory and everything in it".to_owned(),
        PathKind::Symlink => format!("symlink to {}", now.target.as_deref().unwrap_or("?")),
        PathKind::Other => "device, fifo or socket".to_owned(),
    }
}

/// Names what a path shall be.
pub(super) fn what_shall_be(entry: &FileEntry) -> String {
    match &entry.what {
        EntryKind::File { .. } => "file".to_owned(),
        EntryKind::Dir => "directory".to_owned(),
        EntryKind::Symlink { target } => format!("symlink to {target}"),
    }
}
