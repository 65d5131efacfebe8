//! `[[changes.files]]` entries with their sources read, before any host is looked at.

use super::Bench;
use super::tree::{self, Found, What};
use crate::file::{From, RawEntry};
use crate::place::At;
use crate::problem::Problem;
use crate::store::Stored;
use crate::template::TemplateId;
use globset::{Glob, GlobMatcher};
use std::path::{Path, PathBuf};

/// What is dropped from the name of a rendered template.
const SUFFIX: &str = ".j2";

/// An entry whose source has been read.
#[derive(Debug)]
pub(super) struct Prepared<'a> {
    pub(super) raw: &'a RawEntry,
    pub(super) items: Vec<Item>,
    pub(super) landing: Landing,
}

/// How `dest` is meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Landing {
    /// `dest` is the path itself; with a trailing slash, the folder that this name goes into.
    Named(Option<String>),
    /// `dest` is the folder that the content of the source goes into.
    Content,
    /// `dest` is the folder that the source goes into as a whole, under its own name.
    Whole(String),
}

/// One thing that an entry puts in place.
#[derive(Debug)]
pub(super) struct Item {
    /// Its path below the landing place; empty for that place itself.
    pub(super) below: String,
    pub(super) source: PathBuf,
    pub(super) what: ItemKind,
}

/// What an item is.
#[derive(Debug)]
pub(super) enum ItemKind {
    Dir,
    Link(String),
    /// The same bytes for every host.
    File {
        stored: Stored,
        executable: bool,
    },
    /// Rendered for each host.
    Template {
        id: TemplateId,
        executable: bool,
    },
    /// The text of the fleet file, rendered for each host.
    Inline,
    /// The link of the fleet file, rendered for each host.
    InlineLink,
}

impl Bench<'_> {
    /// Reads the source of an entry.
    pub(super) fn prepare<'a>(&mut self, raw: &'a RawEntry) -> Option<Prepared<'a>> {
        let (text, what) = match &raw.from {
            From::Source(source) => return self.prepare_source(raw, source),
            From::Content(text) => (text, ItemKind::Inline),
            From::Link(text) => (text, ItemKind::InlineLink),
        };
        let item = Item { below: String::new(), source: PathBuf::from(text.place.name()), what };
        Some(Prepared { raw, items: vec![item], landing: Landing::Named(None) })
    }

    fn prepare_source<'a>(&mut self, raw: &'a RawEntry, source: &At<String>) -> Option<Prepared<'a>> {
        let path = source.place.dir().join(&source.value);
        let found = match tree::list(&path) {
            Ok(found) => found,
            Err(bad) => {
                self.cannot_read(source, &bad.path, &bad.why);
                return None;
            }
        };
        let is_dir = found.first().is_some_and(|root| root.what == What::Dir);
        if let (Some(purge), false) = (&raw.purge, is_dir) {
            self.report.add(Problem::at(purge, "`purge` needs a `source` that is a folder"));
        }
        let Some(landing) = landing(source, is_dir) else {
            let problem = Problem::at(&source.place, format!("{:?} has no name of its own", source.value));
            self.report.add(problem.hint("end it with a slash to send its content"));
            return None;
        };
        let is_template = self.templates_among(&found, &raw.template);
        let landing = match landing {
            Landing::Named(Some(name)) if is_template.contains(&true) => {
                Landing::Named(Some(without_suffix(&name)))
            }
            other => other,
        };
        let items = found
            .into_iter()
            .zip(is_template)
            .filter_map(|(thing, is)| self.item(thing, is, source))
            .collect();
        Some(Prepared { raw, items, landing })
    }

    /// Returns which of the things are templates; a pattern that matches none of them is a problem.
    fn templates_among(&self, found: &[Found], patterns: &[At<String>]) -> Vec<bool> {
        let mut is_template = vec![false; found.len()];
        for pattern in patterns {
            let Some(glob) = self.glob(pattern) else { continue };
            let mut matched = false;
            for (thing, is) in found.iter().zip(&mut is_template) {
                let hit = matches!(thing.what, What::File { .. }) && matches(&glob, thing);
                *is |= hit;
                matched |= hit;
            }
            if !matched {
                let problem =
                    Problem::at(&pattern.place, format!("no file of the source matches {:?}", pattern.value));
                self.report
                    .add(problem.hint("the glob is matched with file names and with paths below the source"));
            }
        }
        is_template
    }

    fn item(&mut self, thing: Found, is_template: bool, source: &At<String>) -> Option<Item> {
        let Found { mut below, path, what } = thing;
        let what = match what {
            What::Dir => ItemKind::Dir,
            What::Link(target) => ItemKind::Link(target),
            What::File { executable } if is_template => {
                below = without_suffix(&below);
                ItemKind::Template { id: self.template(source, &path)?, executable }
            }
            What::File { executable } => match self.store.add_file(&path) {
                Ok(stored) => {
                    self.note_unrendered(&path);
                    ItemKind::File { stored, executable }
                }
                Err(why) => {
                    self.cannot_read(source, &path, &why.to_string());
                    return None;
                }
            },
        };
        Some(Item { below, source: path, what })
    }

    fn template(&mut self, source: &At<String>, path: &Path) -> Option<TemplateId> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(why) => {
                self.cannot_read(source, path, &why.to_string());
                return None;
            }
        };
        match self.templates.add(path, text) {
            Ok(id) => Some(id),
            Err(problem) => {
                self.report.add(problem.related(&source.place, "sent from here"));
                None
            }
        }
    }

    fn cannot_read(&self, source: &At<String>, path: &Path, why: &str) {
        let problem = Problem::at(&source.place, format!("can't read the source {}: {why}", path.display()));
        self.report.add(problem.hint("the path is relative to the file that names it"));
    }

    fn note_unrendered(&mut self, path: &Path) {
        if path.to_string_lossy().ends_with(SUFFIX) {
            self.notes.push(format!("{} is sent as it is: no `template` matches it", path.display()));
        }
    }

    fn glob(&self, pattern: &At<String>) -> Option<GlobMatcher> {
        match Glob::new(&pattern.value) {
            Ok(glob) => Some(glob.compile_matcher()),
            Err(why) => {
                let message = format!("{:?} is no glob: {}", pattern.value, why.kind());
                self.report.add(Problem::at(&pattern.place, message));
                None
            }
        }
    }
}

/// The rule of rsync: with a trailing slash the content is meant, without it the folder itself.
fn landing(source: &At<String>, is_dir: bool) -> Option<Landing> {
    let name = Path::new(&source.value).file_name().map(|name| name.to_string_lossy().into_owned());
    match (is_dir, source.value.ends_with('/')) {
        (true, true) => Some(Landing::Content),
        (true, false) => name.map(Landing::Whole),
        (false, _) => Some(Landing::Named(name)),
    }
}

fn matches(glob: &GlobMatcher, thing: &Found) -> bool {
    glob.is_match(&thing.below) || thing.path.file_name().is_some_and(|name| glob.is_match(name))
}

fn without_suffix(name: &str) -> String {
    match name.strip_suffix(SUFFIX) {
        Some(rest) if !rest.is_empty() && !rest.ends_with('/') => rest.to_owned(),
        _ => name.to_owned(),
    }
}
