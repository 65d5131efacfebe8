//! What a run would do: the page of `deploy plan`, also shown before asking, and the question itself.

mod block;
mod counts;
mod deed;
mod diff;
mod files;
mod guard;
mod prompt;
mod revert;
mod rollout;
mod script;

pub use counts::PlanCounts;
pub use prompt::prompt_text;

use crate::lease::{holds, what_for};
use crate::names::{shown, without_name, wrapped};
use crate::palette::Palette;
use crate::quantity::{age, count, limit};
use crate::told::one_line;
use block::Blocks;
use snapback_core::content::Sha256Hex;
use snapback_core::host::HostName;
use snapback_core::inspection::{Inspection, Pending};
use snapback_core::job::HostJob;
use snapback_core::rollout::Course;
use std::sync::Arc;
use std::time::Duration;

/// Up to so many hosts that have something in common are all named; of more, a few.
const MOST_NAMES: usize = 50;
const A_FEW: usize = 10;

/// How many different plans are shown unless all are asked for: more is a page that nobody reads.
const MOST_BLOCKS: usize = 50;

/// What is planned for one host.
pub struct HostPlan<'a> {
    /// The host.
    pub host: &'a HostName,
    /// What is wanted of it.
    pub job: &'a HostJob,
    /// What it said of itself, or why it could not be looked at.
    pub found: Result<&'a Inspection, &'a str>,
}

/// Everything that a plan is rendered from.
pub struct PlanView<'a> {
    /// The fleet's name.
    pub fleet: &'a str,
    /// The hosts, in file order.
    pub hosts: Vec<HostPlan<'a>>,
    /// Hosts that an earlier run has confirmed, and that are taken back to before it first.
    pub undone: Vec<&'a HostName>,
    /// In which batches and by which rules they are worked on.
    pub course: &'a Course,
    /// How many connections are opened at once.
    pub connect_parallel: usize,
    /// Returns a wanted content as text, when it is small and textual.
    pub text_of: &'a dyn Fn(&Sha256Hex) -> Option<Arc<str>>,
    /// Things that the person should know, one sentence each.
    pub notes: &'a [String],
    /// Whether every plan is shown, however many differ.
    pub all: bool,
    /// Whether to colour.
    pub colour: bool,
    /// The columns of the terminal; 0 where there is none.
    pub width: usize,
}

impl HostPlan<'_> {
    fn would_change(&self) -> bool {
        !self.job.protected && self.differs()
    }

    fn is_protected(&self) -> bool {
        self.job.protected && self.differs()
    }

    fn differs(&self) -> bool {
        self.found.is_ok_and(|inspection| !inspection.is_unchanged())
    }

    /// Who keeps others from the host, and how.
    fn locked(&self) -> Option<String> {
        let found = self.found.ok()?;
        let lease = || found.lease.as_ref().map(|lease| format!("HELD by {}", one_line(&holds(lease))));
        found.pending.as_ref().map(locked_by).or_else(lease)
    }
}

impl PlanView<'_> {
    /// Returns whether any host would be changed.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        self.hosts.iter().any(HostPlan::would_change)
    }

    fn changing(&self) -> impl Iterator<Item = &HostPlan<'_>> {
        self.hosts.iter().filter(|plan| plan.would_change())
    }

    fn palette(&self) -> Palette {
        Palette::new(self.colour)
    }
}

/// Renders a plan: hosts with the same plan in one block, then those that stay as they are, then the totals.
#[must_use]
pub fn render_plan(view: &PlanView<'_>) -> String {
    let palette = view.palette();
    let mut blocks = Blocks::new(view.text_of, palette);
    for plan in view.changing() {
        blocks.add(plan);
    }
    let most = if view.all { usize::MAX } else { MOST_BLOCKS };
    let (mut out, hidden) = blocks.render(view.width, most);
    out.push_str(&prompt::losses_of(view, &hidden));
    let unchanged: Vec<_> =
        view.hosts.iter().filter(|p| p.found.is_ok() && !p.differs()).map(|p| p.host.as_str()).collect();
    if !unchanged.is_empty() {
        let head = headed(&unchanged, view.width.saturating_sub("unchanged: ".len()));
        out.push_str(&palette.faint(&format!("unchanged: {head}")));
        out.push_str("\n\n");
    }
    for (hosts, text) in locks(view).iter().chain(&unread(view)) {
        out.push_str(&palette.bad(&format!("{}: {text}", headed(hosts, view.width))));
        out.push_str("\n\n");
    }
    if let Some(text) = undone(view) {
        out.push_str(&palette.bad(&text));
        out.push_str("\n\n");
    }
    out.push_str(&rollout::page(view));
    for note in view.notes {
        out.push_str(&palette.notable(&format!("note: {}", one_line(note))));
        out.push('\n');
    }
    out.push_str(&format!("{}: {}\n", one_line(view.fleet), view.counts()));
    out
}

/// What is undone before anything is changed.
fn undone(view: &PlanView<'_>) -> Option<String> {
    let names: Vec<&str> = view.undone.iter().map(|host| host.as_str()).collect();
    let told = || format!("UNDONE first, after they were confirmed: {}", headed(&names, view.width));
    (!names.is_empty()).then(told)
}

/// Names hosts, with their number when there are several.
fn headed<S: AsRef<str>>(hosts: &[S], width: usize) -> String {
    let names = wrapped(hosts, shown(hosts.len(), MOST_NAMES, A_FEW), width, "  ");
    if hosts.len() == 1 { names } else { format!("{names} ({})", count(hosts.len(), "host")) }
}

/// Hosts that differ and are protected, and those that somebody's transaction or lease holds, and whose.
fn locks<'v>(view: &'v PlanView<'_>) -> Vec<(Vec<&'v str>, String)> {
    let protected = "PROTECTED in the fleet file: it differs, and is changed with --allow-protected alone";
    let protected =
        view.hosts.iter().filter(|plan| plan.is_protected()).map(|plan| (plan, protected.to_owned()));
    fold(protected.chain(view.hosts.iter().filter_map(|plan| Some((plan, plan.locked()?)))))
}

/// Hosts that could not be looked at, and why.
fn unread<'v>(view: &'v PlanView<'_>) -> Vec<(Vec<&'v str>, String)> {
    fold(view.hosts.iter().filter_map(|plan| {
        let why = one_line(plan.found.err()?);
        Some((plan, format!("could not be looked at: {why}")))
    }))
}

fn locked_by(pending: &Pending) -> String {
    let undoes = pending.left.map(|left| format!(", undoes in {}", limit(Duration::from_secs(left))));
    one_line(&format!(
        "LOCKED by {} since {} (transaction {}, {}{}){}",
        pending.owner,
        age(pending.age),
        pending.tx,
        pending.state,
        undoes.unwrap_or_default(),
        what_for(&pending.origin, &pending.comment),
    ))
}

/// Puts hosts together of which the same is told.
fn fold<'v>(told: impl Iterator<Item = (&'v HostPlan<'v>, String)>) -> Vec<(Vec<&'v str>, String)> {
    let mut folded: Vec<(Vec<&str>, String, String)> = Vec::new();
    for (plan, text) in told {
        let host = plan.host.as_str();
        let shared = without_name(&text, host);
        match folded.iter_mut().find(|(_, known, _)| *known == shared) {
            Some((hosts, ..)) => hosts.push(host),
            None => folded.push((vec![host], shared, text)),
        }
    }
    let told = |(hosts, shared, first): (Vec<_>, _, _)| {
        if hosts.len() == 1 { (hosts, first) } else { (hosts, shared) }
    };
    folded.into_iter().map(told).collect()
}
