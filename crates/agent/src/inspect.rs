//! Reading an inspection: many lines of the agent become one [`Inspection`].

use crate::answer::InspectLine;
use crate::journal::Fields;
use snapback_core::change::ChangeKind;
use snapback_core::content::Sha256Hex;
use snapback_core::event::visible;
use snapback_core::inspection::{
    ChangeInspection, GuardFacts, Inspection, PathDiffers, PathKind, PathState, RevertFound, RevertPath,
    SnapshotSpace,
};
use snapback_core::job::HostJob;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The longest text kept for a diff, in bytes. The target sends no longer ones; a hostile one is cut here.
const LONGEST_TEXT: usize = 64 * 1024 + 1;

/// Texts that hosts have told, each in memory once, however many have it: the hosts of a fleet are alike, and their diffs
/// are what a plan takes memory for. Known by the text itself, since a hash is only what a host says.
#[derive(Clone, Debug, Default)]
pub struct KnownTexts(Arc<Mutex<HashSet<Arc<str>>>>);

impl KnownTexts {
    /// Forgets all of them; who holds one keeps it.
    pub fn clear(&self) {
        self.all().clear();
    }

    fn share(&self, text: Arc<str>) -> Arc<str> {
        let mut all = self.all();
        if let Some(same) = all.get(&text) {
            return same.clone();
        }
        all.insert(text.clone());
        text
    }

    fn all(&self) -> MutexGuard<'_, HashSet<Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An inspection as it is heard.
#[derive(Clone, Debug, Default)]
pub struct Inspected {
    /// What is known so far; complete once the agent's end mark was read.
    pub inspection: Inspection,
    known: KnownTexts,
    /// Whose text is being heard, and what was heard of it.
    open: Option<((usize, usize), Vec<u8>)>,
    paths: BTreeMap<(usize, String), usize>,
    texts_of: usize,
    digest_seen: bool,
}

impl Inspected {
    /// Returns an inspection of a job that has heard nothing.
    #[must_use]
    pub fn new(job: &HostJob) -> Self {
        let mut inspected = Self::default();
        for (n, change) in job.changes.iter().enumerate() {
            inspected.inspection.changes.push(match &change.kind {
                ChangeKind::Files(files) => {
                    for (e, entry) in files.entries.iter().enumerate() {
                        inspected.paths.insert((n, entry.dest.clone()), e);
                    }
                    ChangeInspection::Files { differ: Vec::new(), delete: Vec::new() }
                }
                ChangeKind::Script(_) => ChangeInspection::Script { as_wanted: false },
                ChangeKind::Revert(_) => ChangeInspection::Revert(RevertFound::default()),
            });
        }
        inspected
    }

    /// The same, with texts that other hosts have told before in memory once.
    #[must_use]
    pub fn sharing(self, known: KnownTexts) -> Self {
        Self { known, ..self }
    }

    /// Hears one line.
    pub fn hear(&mut self, line: &InspectLine) {
        match line {
            InspectLine::Text(bytes) => self.hear_text(bytes),
            InspectLine::Marked(text) => self.hear_marked(text),
        }
    }

    /// Returns whether the agent got as far as the digest, so that nothing is missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.digest_seen
    }

    /// Returns the entries of change `n` that differ, in manifest order.
    pub fn differing_entries(&self, n: usize) -> impl Iterator<Item = usize> + '_ {
        let differ = match self.inspection.changes.get(n) {
            Some(ChangeInspection::Files { differ, .. }) => differ.as_slice(),
            _ => &[],
        };
        differ.iter().map(|d| d.entry)
    }

    /// Ends the text that was being heard: it is put where it belongs if it arrived whole and is text.
    fn settle(&mut self) {
        let Some(((n, e), bytes)) = self.open.take() else { return };
        let Some(ChangeInspection::Files { differ, .. }) = self.inspection.changes.get_mut(n) else { return };
        if let Some(found) = differ.iter_mut().find(|found| found.entry == e) {
            found.text = whole_text(bytes, &found.now).map(|text| self.known.share(text));
        }
    }

    fn hear_marked(&mut self, line: &str) {
        let f = Fields::split(line);
        let n: usize = f.number("n");
        match f.word {
            "hello" => self.inspection.guard = guard_facts(&f, &self.inspection.guard.limits),
            "limit" => self.inspection.guard.limits.push(visible(f.text)),
            "texts" => {
                self.settle();
                self.texts_of = n;
            }
            "space" => {
                self.inspection.space = Some(SnapshotSpace {
                    copies_bytes: f.number::<u64>("copies_kib").saturating_mul(1024),
                    copies: f.number("copies"),
                    free_inodes: f.get("free_inodes").and_then(|number| number.parse().ok()),
                });
            }
            "state_digest" => {
                self.settle();
                self.inspection.state_digest = f.word_of("sum");
                self.digest_seen = true;
            }
            "path" | "delete" | "script" | "revert_path" | "revert_script" | "revert_handler" => {
                self.hear_change(n, &f);
            }
            _ => {}
        }
    }

    fn hear_change(&mut self, n: usize, f: &Fields<'_>) {
        match (self.inspection.changes.get_mut(n), f.word) {
            (Some(ChangeInspection::Files { differ, .. }), "path") => {
                let now = path_state(f);
                // Of an empty file no line is told.
                let text = (now.kind == PathKind::File && now.size == 0).then(|| Arc::from(""));
                differ.push(PathDiffers { entry: f.number("e"), now, text });
            }
            (Some(ChangeInspection::Files { delete, .. }), "delete") => delete.push(f.text.to_owned()),
            (Some(ChangeInspection::Script { as_wanted }), "script") => {
                *as_wanted = f.get("wanted") == Some("1");
            }
            (Some(ChangeInspection::Revert(found)), _) => hear_revert(found, f),
            _ => {}
        }
    }

    /// A text line is `path:text`; the path is one that was asked for, the longest that fits.
    fn hear_text(&mut self, line: &[u8]) {
        let n = self.texts_of;
        let colons = line.iter().enumerate().filter(|(_, b)| **b == b':').map(|(at, _)| at);
        let found = colons
            .filter_map(|at| {
                let path = std::str::from_utf8(&line[..at]).ok()?;
                Some((at, *self.paths.get(&(n, path.to_owned()))?))
            })
            .next_back();
        if let Some((at, e)) = found {
            // One after the other, as grep tells them: what comes in pieces is not whole.
            if self.open.as_ref().is_none_or(|(whose, _)| *whose != (n, e)) {
                self.settle();
            }
            let (_, text) = self.open.get_or_insert_with(|| ((n, e), Vec::new()));
            if text.len() < LONGEST_TEXT {
                text.extend_from_slice(&line[at + 1..]);
                text.push(b'\n');
            }
        }
    }
}

fn hear_revert(found: &mut RevertFound, f: &Fields<'_>) {
    match f.word {
        "revert_path" => found.paths.push(RevertPath {
            path: f.text.to_owned(),
            remove: f.get("what") == Some("remove"),
            conflict: f.get("conflict") == Some("1"),
        }),
        "revert_script" if f.get("due") == Some("1") => found.scripts.push(visible(f.text)),
        "revert_script" => found.stuck.push(visible(f.text)),
        "revert_handler" => found.handlers.push(visible(f.text)),
        _ => {}
    }
}

fn guard_facts(f: &Fields<'_>, limits: &[String]) -> GuardFacts {
    GuardFacts {
        backend: f.word_of("backend"),
        boot_hook: f.word_of("hook"),
        state_dir: visible(f.text),
        volatile_state: f.get("volatile") == Some("1"),
        free_bytes: f.number::<u64>("free_kib").saturating_mul(1024),
        shell: visible(&f.word_of("shell")),
        uid: f.number("uid"),
        limits: limits.to_vec(),
    }
}

fn path_state(f: &Fields<'_>) -> PathState {
    let raw = f.get("raw").and_then(|v| u32::from_str_radix(v, 16).ok()).unwrap_or(0);
    let kind = match raw & 0o170_000 {
        0 => PathKind::Absent,
        0o100_000 => PathKind::File,
        0o040_000 => PathKind::Dir,
        0o120_000 => PathKind::Symlink,
        _ => PathKind::Other,
    };
    PathState {
        kind,
        mode: raw & 0o7777,
        uid: f.number("uid"),
        gid: f.number("gid"),
        size: f.number("size"),
        sha256: f.get("sum").filter(|s| s.len() == 64).map(|s| Sha256Hex(s.to_owned())),
        target: (kind == PathKind::Symlink).then(|| f.text.to_owned()),
    }
}

/// The target's tools end every line, so a file without a last newline comes one byte too long.
fn whole_text(mut bytes: Vec<u8>, now: &PathState) -> Option<Arc<str>> {
    if now.kind != PathKind::File {
        return None;
    }
    let size = usize::try_from(now.size).ok()?;
    if bytes.len() == size + 1 {
        bytes.pop();
    }
    if bytes.len() != size || bytes.contains(&0) {
        return None;
    }
    String::from_utf8(bytes).ok().map(Arc::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(size: u64) -> PathState {
        PathState { kind: PathKind::File, size, ..PathState::default() }
    }

    #[test]
    fn a_text_that_two_hosts_have_is_in_memory_once_and_another_one_stays_what_it_is() {
        let known = KnownTexts::default();
        let [one, two, other] = ["same", "same", "other"].map(|text| known.share(text.into()));
        assert!(Arc::ptr_eq(&one, &two));
        assert_eq!((&*two, &*other), ("same", "other"));
    }

    #[test]
    fn a_text_counts_only_when_it_is_whole() {
        assert_eq!(whole_text(b"a\nb\n".to_vec(), &state(4)), Some("a\nb\n".into()));
        assert_eq!(whole_text(b"a\nb\n".to_vec(), &state(3)), Some("a\nb".into()));
        assert_eq!(whole_text(b"a\n".to_vec(), &state(4)), None);
        assert_eq!(whole_text(b"\xff\n".to_vec(), &state(2)), None);
    }

    #[test]
    fn the_raw_mode_tells_the_type() {
        let f = Fields::split("path n=0 e=1 raw=a1ff uid=0 gid=0 size=3 sum=L00 -- ../x");
        let found = path_state(&f);
        assert_eq!((found.kind, found.target.as_deref()), (PathKind::Symlink, Some("../x")));
        assert_eq!(path_state(&Fields::split("path n=0 e=1 raw=0")).kind, PathKind::Absent);
    }
}
