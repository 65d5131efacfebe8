//! Reading the pages.

use std::fs;
use std::path::{Path, PathBuf};

/// A Markdown page, by its path from the top of the house.
pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Page {
    /// The fenced blocks of a language (empty: of none), without their fences.
    pub(crate) fn blocks(&self, language: &str) -> Vec<String> {
        let mut blocks = Vec::new();
        let mut inside: Option<(bool, String)> = None;
        for line in self.text.lines() {
            match (&mut inside, line.strip_prefix("```")) {
                (None, Some(found)) => inside = Some((found == language, String::new())),
                (Some((wanted, block)), Some(_)) => {
                    if *wanted {
                        blocks.push(std::mem::take(block));
                    }
                    inside = None;
                }
                (Some((_, block)), None) => block.push_str(&format!("{line}\n")),
                (None, None) => {}
            }
        }
        blocks
    }

    /// What stands between backticks in running text.
    pub(crate) fn marked_as_code(&self) -> Vec<String> {
        let outside = self.text.split("```").step_by(2);
        outside
            .flat_map(|text| text.split('`').skip(1).step_by(2))
            .map(|code| code.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }
}

/// The top of the house.
pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

pub(crate) fn page(path: &str) -> Page {
    let text = fs::read_to_string(top().join(path)).unwrap_or_else(|why| panic!("{path}: {why}"));
    Page { path: path.to_owned(), text }
}

/// Every page: those at the top, and all in `docs/`.
pub(crate) fn pages() -> Vec<Page> {
    let folders = [".", "docs", "docs/decisions"];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(top().join(folder)).unwrap());
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path().canonicalize().unwrap()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    let shown = |path: &PathBuf| path.strip_prefix(top()).unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| page(&shown(path))).collect()
}
