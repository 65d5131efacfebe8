//! Reading the house.

use std::fs;
use std::path::{Path, PathBuf};

/// A Rust file, by its path from the top of the house.
pub(crate) struct Source {
    pub(crate) path: String,
    text: String,
}

impl Source {
    /// Reads one file.
    pub(crate) fn read(path: &Path) -> Self {
        let shown = path.strip_prefix(top()).unwrap().to_string_lossy().into_owned();
        Self { path: shown, text: fs::read_to_string(path).unwrap() }
    }

    /// Lines of code: no blank lines, no comments, nothing from the inline tests on.
    pub(crate) fn code(&self) -> impl Iterator<Item = &str> {
        let lines = self.text.lines().take_while(|line| !line.trim_start().starts_with("#[cfg(test)]"));
        lines.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//"))
    }

    /// Tells whether the code names a crate, by `name::` or `use name`.
    pub(crate) fn names_crate(&self, name: &str) -> bool {
        let path = format!("{name}::");
        let names_it = |line: &str| {
            line.match_indices(&path).any(|(at, _)| {
                // `crate::openssh::X` is a module of ours and `my_openssh::X` another crate.
                let before = line[..at].chars().next_back();
                !before.is_some_and(|c| c == ':' || c == '_' || c.is_alphanumeric())
            })
        };
        self.code().any(names_it)
    }
}

/// The top of the house.
pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The folder of every crate.
pub(crate) fn crates() -> Vec<PathBuf> {
    folders(&top().join("crates"))
}

/// The folders in a folder, sorted; none where it doesn't exist.
pub(crate) fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

/// All Rust files below a folder, sorted.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The Rust files of every crate's `src`.
pub(crate) fn product_sources() -> Vec<Source> {
    let files = crates().into_iter().flat_map(|folder| rust_files(&folder.join("src")));
    files.map(|path| Source::read(&path)).collect()
}
