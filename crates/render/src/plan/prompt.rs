//! What a person must have read before saying yes.

use super::deed::{Deed, deeds, what_is, what_shall_be};
use super::guard::{NO_BOOT_HOOK, deadline, has_boot_hook, proof};
use super::script::{command, is_irreversible};
use super::{A_FEW, HostPlan, MOST_NAMES, PlanView, locks, rollout, undone, unread};
use crate::names::{joined, shown};
use crate::palette::Palette;
use crate::quantity::count;
use crate::told::{one_line, path};
use snapback_core::change::{Change, ChangeKind, FilesChange};
use snapback_core::inspection::ChangeInspection;
use std::collections::{HashMap, HashSet};

/// How many things of a kind are named.
const MOST_THINGS: usize = 20;

/// Returns the text before a yes or no: hosts, losses, restarts, what stays done, and until when it can be undone.
/// Its last line is the question, without the letters that answer it.
#[must_use]
pub fn prompt_text(view: &PlanView<'_>) -> String {
    let palette = view.palette();
    let mut things = Things::default();
    for plan in view.changing() {
        things.collect(plan);
    }
    let names: Vec<_> = view.changing().map(|plan| plan.host.as_str()).collect();
    let hosts = count(names.len(), "host");
    let mut out = format!("{hosts} of {} would change: {}\n", one_line(view.fleet), some(&names));
    out.push_str(&things.losses(MOST_THINGS, palette));
    out.push_str(&section("RUNS", &things.runs, MOST_THINGS, |text| palette.notable(text)));
    out.push_str(&section("WEAK GUARD", &things.weak_guard, MOST_THINGS, |text| palette.bad(text)));
    if let Some(text) = undone(view) {
        out.push_str(&format!("  {}\n", palette.bad(&text)));
    }
    for (hosts, text) in locks(view).iter().chain(&unread(view)) {
        out.push_str(&format!("{}\n", palette.notable(&format!("{}: {text}", some(hosts)))));
    }
    out.push_str(&section("deadline", &things.deadlines, MOST_THINGS, str::to_owned));
    out.push_str(&section("proof", &things.proofs, MOST_THINGS, str::to_owned));
    out.push_str(&rollout::lines_for_prompt(view));
    out.push_str(&match (names.len(), view.undone.len()) {
        (0, undone) if undone > 0 => format!("Undo {}?", count(undone, "host")),
        (_, 0) => format!("Change {hosts}?"),
        (_, undone) => format!("Undo {}, then change {hosts}?", count(undone, "host")),
    });
    out
}

/// Returns what hosts lose whose plans are not shown, all of it; nothing where all are.
pub(super) fn losses_of(view: &PlanView<'_>, hidden: &HashSet<&str>) -> String {
    if hidden.is_empty() {
        return String::new();
    }
    let palette = view.palette();
    let mut things = Things::default();
    let mut names = Vec::new();
    for plan in view.changing().filter(|plan| hidden.contains(plan.host.as_str())) {
        things.collect(plan);
        names.push(plan.host.as_str());
    }
    let text = format!(
        "{} with plans of their own, which -v shows: {}",
        count(names.len(), "more host"),
        some(&names)
    );
    format!("{}\n{}\n", palette.notable(&text), things.losses(usize::MAX, palette))
}

fn some(names: &[&str]) -> String {
    joined(names, shown(names.len(), MOST_NAMES, A_FEW))
}

/// Things of one kind with the hosts they are about, in the order met.
#[derive(Default)]
struct Tally {
    things: Vec<(String, Vec<String>)>,
    known: HashMap<String, usize>,
}

impl Tally {
    fn add(&mut self, thing: String, host: &str) {
        let at = *self.known.entry(thing.clone()).or_insert(self.things.len());
        if at == self.things.len() {
            self.things.push((thing, Vec::new()));
        }
        let hosts = &mut self.things[at].1;
        if hosts.last().is_none_or(|last| last != host) {
            hosts.push(host.to_owned());
        }
    }
}

#[derive(Default)]
struct Things {
    deletes: Tally,
    replaces: Tally,
    irreversible: Tally,
    runs: Tally,
    weak_guard: Tally,
    deadlines: Tally,
    proofs: Tally,
}

impl Things {
    /// What is gone afterwards, or stays done: the first so many of each kind.
    fn losses(&self, most: usize, palette: Palette) -> String {
        let kinds = [
            ("DELETES", &self.deletes),
            ("REPLACES", &self.replaces),
            ("CAN'T BE UNDONE", &self.irreversible),
        ];
        kinds.iter().map(|(label, tally)| section(label, tally, most, |text| palette.bad(text))).collect()
    }

    fn collect(&mut self, plan: &HostPlan<'_>) {
        let Ok(inspection) = plan.found else { return };
        let host = plan.host.as_str();
        for change in &plan.job.local {
            let text = format!("{} (where deploy runs): {}", one_line(&change.name), command(&change.apply));
            let tally = if change.rollback.is_none() { &mut self.irreversible } else { &mut self.runs };
            tally.add(text, host);
        }
        for (change, found) in plan.job.changes.iter().zip(&inspection.changes) {
            if found.would_change() {
                self.change(change, found, host);
            }
        }
        if !has_boot_hook(&inspection.guard) {
            self.weak_guard.add(NO_BOOT_HOOK.to_owned(), host);
        }
        if inspection.guard.volatile_state {
            let text = format!("VOLATILE: {} does not survive a reboot", path(&inspection.guard.state_dir));
            self.weak_guard.add(text, host);
        }
        self.deadlines.add(deadline(&plan.job.confirm), host);
        if let Some(text) = proof(&plan.job.proof) {
            self.proofs.add(text, host);
        }
    }

    fn change(&mut self, change: &Change, found: &ChangeInspection, host: &str) {
        match &change.kind {
            ChangeKind::Files(files) => self.files(files, found, host),
            ChangeKind::Revert(_) => {
                let ChangeInspection::Revert(found) = found else { return };
                for changed in found.paths.iter().filter(|p| p.conflict) {
                    self.replaces
                        .add(format!("{} (changed since by somebody else)", path(&changed.path)), host);
                }
                for gone in found.paths.iter().filter(|p| p.remove && !p.conflict) {
                    self.deletes.add(path(&gone.path), host);
                }
                for script in &found.scripts {
                    self.runs.add(format!("rollback of {script}"), host);
                }
                for script in &found.stuck {
                    self.irreversible.add(format!("{script}: what it did stays"), host);
                }
                for handler in &found.handlers {
                    self.runs.add(format!("handler {handler}"), host);
                }
            }
            ChangeKind::Script(script) => {
                let text = format!("{}: {}", path(&change.name), command(&script.apply));
                if script.irreversible || is_irreversible(script) {
                    self.irreversible.add(text, host);
                } else {
                    self.runs.add(text, host);
                }
            }
        }
    }

    fn files(&mut self, files: &FilesChange, found: &ChangeInspection, host: &str) {
        for deed in deeds(files, found) {
            match deed {
                Deed::Delete(deleted) => self.deletes.add(path(deleted), host),
                Deed::Replace(entry, differs) => {
                    let types = format!("{} -> {}", what_is(&differs.now), what_shall_be(entry));
                    self.replaces.add(format!("{} ({})", path(&entry.dest), path(&types)), host);
                }
                Deed::Create(_) | Deed::Change(..) | Deed::Stray(_) => {}
            }
        }
        for handler in &files.handlers {
            self.runs.add(format!("handler {}", command(handler)), host);
        }
    }
}

fn section(label: &str, tally: &Tally, most: usize, paint: impl Fn(&str) -> String) -> String {
    let label = format!("{label}:");
    let mut out = String::new();
    for (thing, hosts) in tally.things.iter().take(most) {
        let on = joined(hosts, 3);
        out.push_str(&format!("  {} {thing}  [{on}]\n", paint(&label)));
    }
    let rest = tally.things.len().saturating_sub(most);
    if rest > 0 {
        out.push_str(&format!(
            "  {} {} more, named in the plan\n",
            paint(&label),
            crate::quantity::grouped(rest)
        ));
    }
    out
}
