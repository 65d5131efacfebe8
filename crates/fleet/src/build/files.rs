//! `[[changes.files]]` entries, as one host gets them.

use super::conflict::Claim;
use super::host::Target;
use super::protect::Touch;
use super::source::{Item, ItemKind, Landing, Prepared};
use super::{Bench, dest};
use crate::file::From;
use crate::place::{At, Place};
use crate::problem::Problem;
use crate::store::Stored;
use snapback_core::change::{EntryKind, FileEntry};

/// What an entry comes to on one host.
#[derive(Debug, Default)]
pub(super) struct Placed {
    pub(super) claims: Vec<Claim>,
    pub(super) purge: Vec<(String, Place)>,
}

impl Bench<'_> {
    /// Renders a value of the fleet file for a host.
    pub(super) fn rendered(&self, text: &At<String>, target: Target<'_>) -> Option<String> {
        match self.templates.value(text, target.context) {
            Ok(text) => Some(text),
            Err(problem) => {
                self.report.add(problem.on(target.name));
                None
            }
        }
    }

    /// Renders a path of the fleet file for a host; with it, whether it ended in a slash.
    pub(super) fn path(&self, text: &At<String>, target: Target<'_>) -> Option<(String, bool)> {
        match dest::parse(&self.rendered(text, target)?) {
            Ok(path) => Some(path),
            Err(why) => {
                let problem =
                    Problem::at(&text.place, why).hint("write an absolute path without `.`, `..` and `//`");
                self.report.add(problem.on(target.name));
                None
            }
        }
    }

    /// Puts the items of one entry in their places.
    pub(super) fn place(&mut self, prepared: &Prepared<'_>, target: Target<'_>) -> Option<Placed> {
        let raw = prepared.raw;
        let (base, slash) = self.path(&raw.dest, target)?;
        let base = match (&prepared.landing, slash) {
            (Landing::Content, _) | (Landing::Named(_), false) => base,
            (Landing::Whole(name), _) | (Landing::Named(Some(name)), true) => format!("{base}/{name}"),
            (Landing::Named(None), true) => {
                let message = "this names a folder, and `content` and `symlink_to` have no name of their own";
                self.report.add(Problem::at(&raw.dest.place, message).hint("add the file's name"));
                return None;
            }
        };
        let mut placed = Placed::default();
        for item in &prepared.items {
            let path = if item.below.is_empty() { base.clone() } else { format!("{base}/{}", item.below) };
            let stated = item.below.is_empty() && raw.dir_mode.is_some() && !base.is_empty();
            if matches!(item.what, ItemKind::Dir) && dest::is_system_folder(&path) && !stated {
                continue;
            }
            placed.claims.extend(self.claim(prepared, item, path, target));
        }
        if let Some(place) = &raw.purge {
            if dest::is_system_folder(&base) {
                let message = format!(
                    "{} belongs to the system: it can't be purged",
                    if base.is_empty() { "/" } else { &base }
                );
                self.report.add(Problem::at(place, message).hint("purge a folder of your own"));
            } else {
                placed.purge.push((base, place.clone()));
            }
        }
        Some(placed)
    }

    fn claim(
        &mut self,
        prepared: &Prepared<'_>,
        item: &Item,
        path: String,
        target: Target<'_>,
    ) -> Option<Claim> {
        let raw = prepared.raw;
        let file = |stored: Stored| EntryKind::File {
            content: stored.hash,
            size: stored.size,
            source: item.source.clone(),
            secret: false,
        };
        let file_mode = |executable: bool| raw.mode.unwrap_or(if executable { 0o755 } else { 0o644 });
        let (what, mode) = match &item.what {
            ItemKind::Dir => (EntryKind::Dir, raw.dir_mode.unwrap_or(0o755)),
            ItemKind::Link(link) => (EntryKind::Symlink { target: link.clone() }, 0o777),
            ItemKind::File { stored, executable } => (file(stored.clone()), file_mode(*executable)),
            ItemKind::Template { id, executable } => {
                let text = match self.templates.render(*id, target.context) {
                    Ok(text) => text,
                    Err(problem) => {
                        let problem = problem.related(source_place(prepared), "sent from here");
                        self.report.add(problem.on(target.name));
                        return None;
                    }
                };
                (file(self.store.add_bytes(text.as_bytes())), file_mode(*executable))
            }
            ItemKind::Inline => {
                let text = self.rendered(written(prepared), target)?;
                (file(self.store.add_bytes(text.as_bytes())), file_mode(false))
            }
            ItemKind::InlineLink => {
                (EntryKind::Symlink { target: self.link(written(prepared), target)? }, 0o777)
            }
        };
        let entry = FileEntry { dest: path, what, mode, owner: raw.owner.clone(), group: raw.group.clone() };
        Some(Claim { entry, place: raw.dest.place.clone() })
    }

    fn link(&self, text: &At<String>, target: Target<'_>) -> Option<String> {
        let link = self.rendered(text, target)?;
        if link.is_empty() || link.chars().any(char::is_control) {
            self.report
                .add(Problem::at(&text.place, format!("a link can't point to {link:?}")).on(target.name));
            return None;
        }
        Some(link)
    }
}

/// Returns what putting an entry in place does to its path.
pub(super) fn touch(entry: &FileEntry) -> Touch {
    if entry.what == EntryKind::Dir { Touch::Itself } else { Touch::Replaced }
}

fn written<'a>(prepared: &'a Prepared<'_>) -> &'a At<String> {
    match &prepared.raw.from {
        From::Source(text) | From::Content(text) | From::Link(text) => text,
    }
}

fn source_place<'a>(prepared: &'a Prepared<'_>) -> &'a Place {
    &written(prepared).place
}
