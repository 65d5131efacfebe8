//! Places in the texts that a person wrote, and values that remember theirs.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A text that a person wrote: a fleet file, a template, or an argument of the command line.
#[derive(Debug)]
pub(crate) struct Source {
    /// What it is called in messages.
    pub(crate) name: String,
    /// The folder that relative paths in it start from.
    pub(crate) dir: PathBuf,
    /// The whole text.
    pub(crate) text: String,
}

impl Source {
    /// Returns the source of a file that has been read.
    pub(crate) fn of_file(path: &Path, text: String) -> Arc<Self> {
        let dir = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Arc::new(Self { name: path.display().to_string(), dir, text })
    }

    /// Returns the source of a command line argument.
    pub(crate) fn of_argument(flag: &str, text: &str) -> Arc<Self> {
        Arc::new(Self { name: flag.to_owned(), dir: PathBuf::new(), text: text.to_owned() })
    }
}

/// A range of bytes in a text.
#[derive(Clone, Debug)]
pub struct Place {
    source: Arc<Source>,
    range: Range<usize>,
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.same_text(other) && self.range == other.range
    }
}

impl Place {
    /// Returns a place; a range outside of the text is cut to it, and one that begins or ends within a
    /// character takes all of it (a template's error can).
    pub(crate) fn new(source: &Arc<Source>, range: Range<usize>) -> Self {
        let text = &source.text;
        let boundary = |at: &usize| text.is_char_boundary(*at);
        let end = (range.end.min(text.len())..).find(boundary).unwrap_or(text.len());
        let start = (0..=range.start.min(end)).rev().find(boundary).unwrap_or(0);
        Self { source: Arc::clone(source), range: start..end }
    }

    /// Returns the place of a whole text.
    pub(crate) fn whole(source: &Arc<Source>) -> Self {
        Self::new(source, 0..source.text.len())
    }

    /// Returns the name of the file, or the flag of the command line.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.source.name
    }

    /// Returns the whole text that the place is in.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// Returns the bytes that are meant.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Returns line and column, both counted from 1; the column in characters.
    #[must_use]
    pub fn line_and_column(&self) -> (usize, usize) {
        let before = self.text().get(..self.range.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// Returns the folder that relative paths here start from.
    pub(crate) fn dir(&self) -> &Path {
        &self.source.dir
    }

    /// Returns whether both places are in the same text.
    pub(crate) fn same_text(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.source, &other.source)
    }

    /// Returns another place in the same text.
    pub(crate) fn elsewhere(&self, range: Range<usize>) -> Self {
        Self::new(&self.source, range)
    }

    /// Returns what is written at the place.
    pub(crate) fn written(&self) -> &str {
        self.text().get(self.range()).unwrap_or_default()
    }
}

/// Returns a path that doesn't depend on where the program is started.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it was written.
    pub(crate) place: Place,
}

impl<T> At<T> {
    /// Returns the value of the same place that `change` makes of this one.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At { value: change(self.value), place: self.place }
    }
}

impl At<String> {
    /// Returns the place of a part of the text, or of all of it when escapes keep them from lining up.
    pub(crate) fn part(&self, part: Range<usize>) -> Place {
        let written = self.place.written();
        let shift = [0, 1].into_iter().find(|n| written.get(*n..*n + self.value.len()) == Some(&self.value));
        match shift {
            Some(shift) => {
                let start = self.place.range.start + shift;
                self.place.elsewhere(start + part.start..start + part.end)
            }
            None => self.place.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_cut_to_the_text_and_to_whole_characters() {
        let source = Source::of_argument("--x", "a\u{9b}\u{202e}z");
        assert_eq!(Place::new(&source, 1..99).written(), "\u{9b}\u{202e}z");
        assert_eq!(Place::new(&source, 2..4).written(), "\u{9b}\u{202e}");
        assert_eq!(Place::new(&source, 98..99).written(), "");
    }
}
