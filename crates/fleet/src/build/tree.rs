//! What a `source` is made of: one file, or a folder with all that is in it.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// One thing in a source.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Its path below the source, `/` between the parts; empty for the source itself.
    pub(super) below: String,
    /// Where it is on the controller.
    pub(super) path: PathBuf,
    /// What it is.
    pub(super) what: What,
}

/// What a thing in a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Dir,
    File {
        /// Somebody may execute it.
        executable: bool,
    },
    /// A symbolic link, carried as it is.
    Link(String),
}

/// Why a source can't be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) path: PathBuf,
    pub(super) why: String,
}

/// Lists a source, folders before what is in them. A source that is itself a link is followed: it was named.
pub(super) fn list(source: &Path) -> Result<Vec<Found>, Unreadable> {
    let meta = std::fs::metadata(source).map_err(|why| unreadable(source, &why))?;
    let mut found = Vec::new();
    let what = match (meta.is_dir(), meta.is_file()) {
        (true, _) => What::Dir,
        (_, true) => What::File { executable: meta.permissions().mode() & 0o111 != 0 },
        _ => return Err(special(source)),
    };
    found.push(Found { below: String::new(), path: source.to_path_buf(), what });
    if meta.is_dir() {
        walk(source, "", &mut found)?;
    }
    Ok(found)
}

fn walk(dir: &Path, below: &str, found: &mut Vec<Found>) -> Result<(), Unreadable> {
    let entries: io::Result<Vec<_>> = std::fs::read_dir(dir).and_then(Iterator::collect);
    let mut entries = entries.map_err(|why| unreadable(dir, &why))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = plain_name(&entry)?;
        let below = if below.is_empty() { name } else { format!("{below}/{name}") };
        let meta = entry.metadata().map_err(|why| unreadable(&path, &why))?;
        let what = if meta.is_dir() {
            What::Dir
        } else if meta.is_symlink() {
            What::Link(link_target(&path)?)
        } else if meta.is_file() {
            What::File { executable: meta.permissions().mode() & 0o111 != 0 }
        } else {
            return Err(special(&path));
        };
        let is_dir = what == What::Dir;
        found.push(Found { below: below.clone(), path: path.clone(), what });
        if is_dir {
            walk(&path, &below, found)?;
        }
    }
    Ok(())
}

fn plain_name(entry: &std::fs::DirEntry) -> Result<String, Unreadable> {
    let refuse = |why: &str| Unreadable { path: entry.path(), why: why.to_owned() };
    let name = entry.file_name().into_string().map_err(|_| refuse("its name is not UTF-8"))?;
    if name.chars().any(char::is_control) {
        return Err(refuse("its name holds a control character"));
    }
    Ok(name)
}

fn link_target(path: &Path) -> Result<String, Unreadable> {
    let target = std::fs::read_link(path).map_err(|why| unreadable(path, &why))?;
    let target = target.into_os_string().into_string();
    let plain = target.ok().filter(|target| !target.chars().any(char::is_control));
    plain.ok_or_else(|| Unreadable {
        path: path.to_path_buf(),
        why: "what the link points to is no plain text".to_owned(),
    })
}

fn unreadable(path: &Path, why: &io::Error) -> Unreadable {
    Unreadable { path: path.to_path_buf(), why: why.to_string() }
}

fn special(path: &Path) -> Unreadable {
    Unreadable { path: path.to_path_buf(), why: "it is neither a file nor a folder nor a link".to_owned() }
}
