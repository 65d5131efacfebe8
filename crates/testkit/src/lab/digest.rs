//! What a tree looks like, in full, so that before and after can be compared.

use super::error::LabError;
use rustix::fs::{lgetxattr, llistxattr};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Every path of some trees, with content and metadata: type, mode, owner, size, modification time, number of
/// links, target of a symlink, hash of the content, extended attributes (and so ACLs and capabilities).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeDigest {
    entries: BTreeMap<String, String>,
}

impl TreeDigest {
    /// Looks at `paths`, which are absolute in the tree at `root`; one that isn't there is noted as absent.
    pub(crate) fn of(root: &Path, paths: &[&str]) -> Result<Self, LabError> {
        let mut entries = BTreeMap::new();
        for path in paths {
            let outside = root.join(path.trim_start_matches('/'));
            add(&mut entries, root, &outside).map_err(LabError::io(format!("can't look at {path}")))?;
        }
        Ok(Self { entries })
    }

    /// Forgets the modification times of directories, which any replaced file in them changes.
    #[must_use]
    pub fn without_directory_times(mut self) -> Self {
        for description in self.entries.values_mut().filter(|entry| entry.starts_with("directory")) {
            let kept: Vec<&str> =
                description.split(' ').filter(|field| !field.starts_with("mtime=")).collect();
            *description = kept.join(" ");
        }
        self
    }

    /// Lists what isn't the same in `other`, one line an entry; empty when the trees are alike.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let absent = "absent".to_owned();
        let paths =
            self.entries.keys().chain(other.entries.keys().filter(|p| !self.entries.contains_key(*p)));
        let compared = paths.map(|path| {
            let (before, after) = (self.entries.get(path), other.entries.get(path));
            (path, before.unwrap_or(&absent), after.unwrap_or(&absent))
        });
        let different = compared.filter(|(_, before, after)| before != after);
        different.map(|(path, before, after)| format!("{path}: {before} -> {after}")).collect()
    }
}

fn add(entries: &mut BTreeMap<String, String>, root: &Path, path: &Path) -> io::Result<()> {
    let shown = format!("/{}", path.strip_prefix(root).unwrap_or(path).display());
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            entries.insert(shown, "absent".to_owned());
            return Ok(());
        }
        other => other?,
    };
    entries.insert(shown, describe(path, &metadata)?);
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            add(entries, root, &entry?.path())?;
        }
    }
    Ok(())
}

fn describe(path: &Path, metadata: &Metadata) -> io::Result<String> {
    let mut text = format!(
        "{} mode={:04o} owner={}:{} mtime={}.{:09}",
        type_name(metadata),
        metadata.mode() & 0o7777,
        metadata.uid(),
        metadata.gid(),
        metadata.mtime(),
        metadata.mtime_nsec()
    );
    // A directory's size and links depend on the file system's mood, not on what is in it.
    if !metadata.is_dir() {
        text.push_str(&format!(" size={} links={}", metadata.size(), metadata.nlink()));
    }
    if metadata.is_symlink() {
        text.push_str(&format!(" target={}", fs::read_link(path)?.display()));
    } else if metadata.is_file() {
        text.push_str(&format!(" sha256={}", hash(path)?));
    } else if metadata.file_type().is_block_device() || metadata.file_type().is_char_device() {
        text.push_str(&format!(" device={}", metadata.rdev()));
    }
    text.push_str(&extended_attributes(path)?);
    Ok(text)
}

fn type_name(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    match () {
        () if kind.is_dir() => "directory",
        () if kind.is_file() => "file",
        () if kind.is_symlink() => "symlink",
        () if kind.is_fifo() => "fifo",
        () if kind.is_socket() => "socket",
        () if kind.is_block_device() => "block-device",
        () => "char-device",
    }
}

fn hash(path: &Path) -> io::Result<String> {
    Ok(hex(&Sha256::digest(fs::read(path)?)))
}

fn extended_attributes(path: &Path) -> io::Result<String> {
    let mut names = vec![0; 64 * 1024];
    let length = llistxattr(path, &mut names[..])?;
    let mut names: Vec<&[u8]> =
        names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    let mut text = String::new();
    for name in names {
        let mut value = vec![0; 64 * 1024];
        let length = lgetxattr(path, std::ffi::OsStr::from_bytes(name), &mut value[..])?;
        text.push_str(&format!(" {}={}", String::from_utf8_lossy(name), hex(&value[..length])));
    }
    Ok(text)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn notices_content_mode_links_and_absence() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, "one").unwrap();
        let look = || TreeDigest::of(folder.path(), &["/a", "/b"]).unwrap();
        let before = look();
        assert_eq!(before.differences(&look()), Vec::<String>::new());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o4755)).unwrap();
        assert!(before.differences(&look())[0].contains("mode=4755"));
        fs::hard_link(&file, folder.path().join("b")).unwrap();
        let lines = before.differences(&look());
        assert!(lines[0].contains("links=2") && lines[1].starts_with("/b: absent -> file"), "{lines:?}");
        fs::remove_file(&file).unwrap();
        assert!(before.differences(&look())[0].ends_with("-> absent"));
    }

    #[test]
    fn can_forget_the_times_of_directories_only() {
        let folder = tempfile::tempdir().unwrap();
        let look = || TreeDigest::of(folder.path(), &["/"]).unwrap().without_directory_times();
        let before = look();
        fs::write(folder.path().join("a"), "").unwrap();
        let lines = before.differences(&look());
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("mtime="));
    }
}
