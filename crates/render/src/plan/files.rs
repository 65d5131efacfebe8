//! A `files` change on the page.

use super::deed::{Deed, deeds, what_is, what_shall_be};
use super::{diff, script};
use crate::palette::Palette;
use crate::quantity::bytes;
use crate::told::path;
use snapback_core::change::{EntryKind, FileEntry, FilesChange};
use snapback_core::content::Sha256Hex;
use snapback_core::event::visible;
use snapback_core::inspection::{ChangeInspection, PathDiffers, PathState};
use std::collections::HashMap;
use std::sync::Arc;

/// Renders `files` changes; diffs that several hosts share are made once.
pub(super) struct FilesPage<'a> {
    text_of: &'a dyn Fn(&Sha256Hex) -> Option<Arc<str>>,
    palette: Palette,
    diffs: HashMap<(String, Sha256Hex), Vec<String>>,
}

impl<'a> FilesPage<'a> {
    pub(super) fn new(text_of: &'a dyn Fn(&Sha256Hex) -> Option<Arc<str>>, palette: Palette) -> Self {
        Self { text_of, palette, diffs: HashMap::new() }
    }

    /// Returns the lines of a change that would do something.
    pub(super) fn lines(&mut self, change: &FilesChange, found: &ChangeInspection) -> Vec<String> {
        let mut lines = Vec::new();
        for deed in deeds(change, found) {
            self.deed(deed, &mut lines);
        }
        if let Some(validate) = &change.validate {
            lines.push(format!("then validate  {}", script::command(validate)));
        }
        for handler in &change.handlers {
            lines.push(self.palette.notable(&format!("then RUN  {}", script::command(handler))));
        }
        lines
    }

    fn deed(&mut self, deed: Deed<'_>, lines: &mut Vec<String>) {
        let palette = self.palette;
        match deed {
            Deed::Create(entry) => {
                lines.push(palette.good(&format!("+ create {}", path(&entry.dest))) + &as_created(entry));
                self.content(entry, None, lines);
            }
            Deed::Change(entry, differs) => {
                let attributes = changed_attributes(entry, differs);
                lines.push(palette.notable(&format!("~ change {}", path(&entry.dest))) + &attributes);
                self.content(entry, Some(differs), lines);
            }
            Deed::Replace(entry, differs) => {
                let types = format!("{} -> {}", path(&what_is(&differs.now)), path(&what_shall_be(entry)));
                let head = format!("! REPLACE {}: {types}", path(&entry.dest));
                lines.push(palette.bad(&head) + &as_created(entry));
                self.content(entry, None, lines);
            }
            Deed::Delete(deleted) => lines.push(palette.bad(&format!("- DELETE {}", path(deleted)))),
            Deed::Stray(index) => lines.push(palette.bad(&format!(
                "! the host names path {index}, which this change doesn't have: run the plan again"
            ))),
        }
    }

    /// What differs in a file, as far as it can be shown. `differs` is `None` where there is no file yet.
    fn content(&mut self, entry: &FileEntry, differs: Option<&PathDiffers>, lines: &mut Vec<String>) {
        let EntryKind::File { content, size, secret, .. } = &entry.what else { return };
        let now = differs.map(|d| &d.now);
        if now.is_some_and(|now| now.sha256.as_ref() == Some(content)) {
            return;
        }
        if *secret {
            lines.push("    (secret, not shown)".to_owned());
            return;
        }
        let old = differs.map_or(Some(""), |d| d.text.as_deref());
        match (old, (self.text_of)(content)) {
            (Some(old), Some(new)) => {
                let key = (old.to_owned(), content.clone());
                let palette = self.palette;
                let shown = self.diffs.entry(key).or_insert_with(|| diff::lines(old, &new, palette));
                lines.extend(shown.iter().map(|line| format!("    {line}")));
            }
            _ => lines.push(format!("    {}", sizes(now, *size))),
        }
    }
}

fn sizes(now: Option<&PathState>, wanted: u64) -> String {
    let from = now.map_or_else(String::new, |now| format!("{} -> ", bytes(now.size)));
    format!("binary or long, {from}{}", bytes(wanted))
}

fn as_created(entry: &FileEntry) -> String {
    let owner = stated_owner(entry).map_or_else(String::new, |owner| format!(", owner {owner}"));
    match &entry.what {
        EntryKind::File { size, .. } => format!("  (mode {:04o}, {}{owner})", entry.mode, bytes(*size)),
        EntryKind::Dir => format!("/  (mode {:04o}{owner})", entry.mode),
        EntryKind::Symlink { target } => format!(" -> {}{owner}", path(target)),
    }
}

fn changed_attributes(entry: &FileEntry, differs: &PathDiffers) -> String {
    let now = &differs.now;
    let mut parts = Vec::new();
    if let EntryKind::Symlink { target } = &entry.what {
        if now.target.as_ref() != Some(target) {
            let from = now.target.as_deref().unwrap_or("?");
            parts.push(format!("symlink to {} -> {}", path(from), path(target)));
        }
    } else if now.mode != entry.mode {
        parts.push(format!("mode {:04o} -> {:04o}", now.mode, entry.mode));
    }
    parts.extend(changed_owner(entry, now, parts.is_empty() && !content_differs(entry, now)));
    if parts.is_empty() { String::new() } else { format!("  {}", parts.join(", ")) }
}

fn content_differs(entry: &FileEntry, now: &PathState) -> bool {
    matches!(&entry.what, EntryKind::File { content, .. } if now.sha256.as_ref() != Some(content))
}

/// How the owner changes. Numbers compare; a name's number is known to the target alone, so a name is told to
/// change only where nothing else explains why the path differs, and is stated beside the number otherwise.
fn changed_owner(entry: &FileEntry, now: &PathState, must_be_the_owner: bool) -> Option<String> {
    let wanted = stated_owner(entry)?;
    let same = |stated: &Option<String>, number: u32| match stated.as_deref() {
        None => Some(true),
        Some("root") => Some(number == 0),
        Some(text) => text.parse::<u32>().ok().map(|stated| stated == number),
    };
    let present = format!("{}:{}", now.uid, now.gid);
    match (same(&entry.owner, now.uid), same(&entry.group, now.gid)) {
        (Some(true), Some(true)) => None,
        (Some(false), _) | (_, Some(false)) => Some(format!("owner {present} -> {wanted}")),
        _ if must_be_the_owner => Some(format!("owner {present} -> {wanted}")),
        _ => Some(format!("owner {wanted} (now {present})")),
    }
}

fn stated_owner(entry: &FileEntry) -> Option<String> {
    match (&entry.owner, &entry.group) {
        (None, None) => None,
        (owner, group) => {
            let word = |stated: &Option<String>| stated.as_deref().map_or_else(|| "*".to_owned(), visible);
            Some(format!("{}:{}", word(owner), word(group)))
        }
    }
}
