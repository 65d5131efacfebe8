//! Blocks of hosts with one and the same plan, or one that differs in nothing but the host's name.

use super::files::FilesPage;
use super::{HostPlan, guard, headed, revert, script};
use crate::names::{ANY_HOST, replaced};
use crate::palette::Palette;
use crate::told::{one_line, path};
use snapback_core::change::{Change, ChangeKind};
use snapback_core::content::Sha256Hex;
use snapback_core::inspection::{ChangeInspection, Inspection};
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Stands for the host's name until it is shown: no text of a plan has it, as control characters are made visible.
const NAME: &str = "\u{1}";

/// Hosts folded by what is shown of their plans: where the page reads the same, one page is enough.
pub(super) struct Blocks<'a> {
    files: FilesPage<'a>,
    palette: Palette,
    blocks: Vec<Block>,
    known: HashMap<String, usize>,
}

/// Hosts whose plans read the same.
struct Block {
    hosts: Vec<String>,
    /// As it reads for the first of them.
    first: String,
    /// As it reads for all of them, [`NAME`] for the name.
    shared: String,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(text_of: &'a dyn Fn(&Sha256Hex) -> Option<Arc<str>>, palette: Palette) -> Self {
        let files = FilesPage::new(text_of, palette);
        Self { files, palette, blocks: Vec::new(), known: HashMap::new() }
    }

    pub(super) fn add(&mut self, plan: &HostPlan<'_>) {
        let Ok(inspection) = plan.found else { return };
        let first = self.body(plan, inspection);
        let host = plan.host.to_string();
        let shared = replaced(&first, &host, NAME);
        let at = *self.known.entry(shared.clone()).or_insert(self.blocks.len());
        if at == self.blocks.len() {
            self.blocks.push(Block { hosts: Vec::new(), first, shared });
        }
        self.blocks[at].hosts.push(host);
    }

    /// Renders at most so many blocks, those of the most hosts; returns the hosts of the others too.
    pub(super) fn render(&self, width: usize, most: usize) -> (String, HashSet<&str>) {
        let mut order: Vec<_> = (0..self.blocks.len()).collect();
        order.sort_by_key(|at| Reverse(self.blocks[*at].hosts.len()));
        let hidden = order.split_off(most.min(order.len()));
        order.sort_unstable();
        let shown = order.into_iter().map(|at| self.blocks[at].render(width, self.palette)).collect();
        (shown, hidden.iter().flat_map(|at| &self.blocks[*at].hosts).map(String::as_str).collect())
    }

    fn body(&mut self, plan: &HostPlan<'_>, inspection: &Inspection) -> String {
        let mut lines = Vec::new();
        let mut as_wanted = Vec::new();
        for change in &plan.job.local {
            lines.push(
                self.palette.heading(&format!("{} (script, where deploy runs)", one_line(&change.name))),
            );
            lines.extend(
                script::local_lines(change, self.palette).into_iter().map(|line| format!("  {line}")),
            );
        }
        for (index, change) in plan.job.changes.iter().enumerate() {
            match inspection.changes.get(index) {
                Some(found) if !found.would_change() => as_wanted.push(path(&change.name)),
                found => self.change(change, found, &mut lines),
            }
        }
        if !as_wanted.is_empty() {
            lines.push(self.palette.faint(&format!("as wanted: {}", as_wanted.join(", "))));
        }
        lines.extend(guard::lines(plan.job, inspection, self.palette));
        lines.iter().map(|line| format!("  {line}\n")).collect()
    }

    fn change(&mut self, change: &Change, found: Option<&ChangeInspection>, lines: &mut Vec<String>) {
        let head = format!("{} ({})", path(&change.name), change.kind.word());
        lines.push(self.palette.heading(&head));
        let told = match (&change.kind, found) {
            (ChangeKind::Files(files), Some(found @ ChangeInspection::Files { .. })) => {
                self.files.lines(files, found)
            }
            (ChangeKind::Script(change), Some(ChangeInspection::Script { .. })) => {
                script::lines(change, self.palette)
            }
            (ChangeKind::Revert(change), Some(ChangeInspection::Revert(found))) => {
                revert::lines(change, found, self.palette)
            }
            _ => vec![self.palette.bad("! the host said nothing of this change: run the plan again")],
        };
        lines.extend(told.into_iter().map(|line| format!("  {line}")));
    }
}

impl Block {
    fn render(&self, width: usize, palette: Palette) -> String {
        let head = palette.heading(&headed(&self.hosts, width));
        if self.hosts.len() == 1 || !self.shared.contains(NAME) {
            return format!("{head}\n{}\n", self.first);
        }
        let note = palette.faint(&format!("  {ANY_HOST} stands for the host's name"));
        format!("{head}\n{note}\n{}\n", self.shared.replace(NAME, ANY_HOST))
    }
}
