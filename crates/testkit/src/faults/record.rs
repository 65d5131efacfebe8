//! Tampering with a record: what somebody with root, a torn write or an older version may have left there.

use super::Rng;
use std::fs;
use std::io;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;

/// Files of a transaction's record whose loss, tear or forgery must never matter.
const FILES: [&str; 23] = [
    "armed",
    "go",
    "applied",
    "passed",
    "failed",
    "ready",
    "done",
    "turn.1",
    "carry.1",
    "candidate.rollback",
    "reserve",
    "journal",
    "cause",
    "supervisor",
    "backup",
    "runner",
    "holder",
    "undo_failed",
    "expired",
    "arming_connection",
    "lock",
    "../../tools",
    "started.0",
];

/// How a file of the record is tampered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tamper {
    /// It goes.
    Delete,
    /// It is empty.
    Truncate,
    /// Its second half is missing.
    Tear,
    /// Something else stands in it.
    Junk,
    /// A symlink to nowhere is in its place.
    Symlink,
    /// A folder is in its place.
    Folder,
    /// It belongs to nobody.
    Owner,
}

const WAYS: [Tamper; 7] = [
    Tamper::Delete,
    Tamper::Truncate,
    Tamper::Tear,
    Tamper::Junk,
    Tamper::Symlink,
    Tamper::Folder,
    Tamper::Owner,
];

impl Tamper {
    /// Draws a way, and a file to strike.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> (Self, &'static str) {
        (WAYS[rng.usize(..WAYS.len())], FILES[rng.usize(..FILES.len())])
    }

    /// Returns its name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Delete => "record: a file deleted",
            Self::Truncate => "record: a file truncated",
            Self::Tear => "record: a file torn",
            Self::Junk => "record: junk in a file's place",
            Self::Symlink => "record: a symlink in a file's place",
            Self::Folder => "record: a folder in a file's place",
            Self::Owner => "record: a foreign owner",
        }
    }

    /// Does it to a file. What fails here fails because the record has gone on: then nothing is struck, which is a
    /// case as well.
    pub fn strike(self, path: &Path) {
        let _ = self.try_strike(path);
    }

    fn try_strike(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Delete => fs::remove_file(path),
            Self::Truncate => fs::write(path, ""),
            Self::Tear => {
                let text = fs::read(path)?;
                fs::write(path, &text[..text.len() / 2])
            }
            Self::Junk => fs::write(path, "\u{1}\u{2}; touch /junk\nend of it\n"),
            Self::Symlink => {
                let _ = fs::remove_file(path);
                symlink("/nowhere/at/all", path)
            }
            Self::Folder => {
                let _ = fs::remove_file(path);
                fs::create_dir(path)
            }
            Self::Owner => chown(path, Some(65_534), Some(65_534)),
        }
    }
}

/// Leaves the record of a version before this one, which knew none of today's marks: alone, or holding the lock.
///
/// # Errors
/// What the file system says.
pub fn leave_old_record(state: &Path, holds_lock: bool) -> io::Result<()> {
    let record = state.join("tx/00OLD");
    fs::create_dir_all(record.join("job"))?;
    fs::write(record.join("job/spec"), "owner ann@desk\nstate_version 0\n")?;
    fs::write(record.join("lock"), "00OLD\n")?;
    fs::write(record.join("journal"), "armed long ago\n")?;
    if holds_lock { fs::hard_link(record.join("lock"), state.join("current")) } else { Ok(()) }
}
