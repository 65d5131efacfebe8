//! Blocks of hosts with one and the same plan.

use super::files::FilesPage;
use super::{HostPlan, guard, headed, revert, script};
use crate::palette::Palette;
use crate::told::{one_line, path};
use snapback_core::change::{Change, ChangeKind};
use snapback_core::content::Sha256Hex;
use snapback_core::inspection::{ChangeInspection, Inspection};
use std::collections::HashMap;
use std::sync::Arc;

/// Hosts folded by what is shown of their plans: where the page reads the same, one page is enough.
pub(super) struct Blocks<'a> {
    files: FilesPage<'a>,
    palette: Palette,
    blocks: Vec<(Vec<String>, String)>,
    known: HashMap<String, usize>,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(text_of: &'a dyn Fn(&Sha256Hex) -> Option<Arc<str>>, palette: Palette) -> Self {
        let files = FilesPage::new(text_of, palette);
        Self { files, palette, blocks: Vec::new(), known: HashMap::new() }
    }

    pub(super) fn add(&mut self, plan: &HostPlan<'_>) {
        let Ok(inspection) = plan.found else { return };
        let body = self.body(plan, inspection);
        let at = *self.known.entry(body.clone()).or_insert(self.blocks.len());
        if at == self.blocks.len() {
            self.blocks.push((Vec::new(), body));
        }
        self.blocks[at].0.push(plan.host.to_string());
    }

    pub(super) fn render(&self, width: usize) -> String {
        let block = |(hosts, body): &(Vec<String>, String)| {
            format!("{}\n{body}\n", self.palette.heading(&headed(hosts, width)))
        };
        self.blocks.iter().map(block).collect()
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
