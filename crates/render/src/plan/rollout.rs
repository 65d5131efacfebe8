//! In which batches a run goes over its hosts, and what stops it.

use super::PlanView;
use crate::names::joined;
use crate::quantity::{count, grouped, limit};
use snapback_core::rollout::{
    Batch, BatchKind, Budget, ConfirmScope, Course, RollbackScope, StopAfter, Together, Unreachable,
};

/// How many hosts of a batch are named, and how many batches are listed.
const MOST_NAMES: usize = 8;
const MOST_BATCHES: usize = 20;

/// Returns the part of the plan about batches; nothing for a run in one batch that nothing stops and each of whose hosts
/// is confirmed by itself.
pub(super) fn page(view: &PlanView<'_>) -> String {
    let course = view.course;
    if !course.staged && course.batches.len() < 2 && course.confirm_scope == ConfirmScope::Host {
        return String::new();
    }
    let palette = view.palette();
    let mut out =
        format!("{}\n", palette.heading(&format!("rollout in {}", count_batches(course.batches.len()))));
    for batch in course.batches.iter().take(MOST_BATCHES) {
        out.push_str(&format!("  {}\n", told(view, batch)));
    }
    let rest = course.batches.len().saturating_sub(MOST_BATCHES);
    if rest > 0 {
        out.push_str(&format!("  and {} more\n", grouped(rest)));
    }
    for rule in rules(view) {
        out.push_str(&format!("  {rule}\n"));
    }
    out.push('\n');
    out
}

/// Returns what a person must have read of it before saying yes: the canary and the rules.
pub(super) fn lines_for_prompt(view: &PlanView<'_>) -> String {
    if !view.course.staged {
        return together(view).map(|rule| format!("  {rule}\n")).unwrap_or_default();
    }
    let canaries = view.course.batches.iter().filter(|batch| batch.kind == BatchKind::Canary);
    let canary: Vec<&str> = canaries.flat_map(|batch| names(view, batch)).collect();
    let mut lines = Vec::new();
    if !canary.is_empty() {
        lines.push(format!("canary: {}", joined(&canary, MOST_NAMES)));
    }
    lines.extend(rules(view));
    lines.iter().map(|line| format!("  {line}\n")).collect()
}

fn told(view: &PlanView<'_>, batch: &Batch) -> String {
    let names = names(view, batch);
    format!("{batch}, {}: {}", count(names.len(), "host"), joined(&names, MOST_NAMES))
}

fn names<'v>(view: &'v PlanView<'_>, batch: &Batch) -> Vec<&'v str> {
    batch.hosts.iter().filter_map(|at| view.hosts.get(*at)).map(|plan| plan.host.as_str()).collect()
}

fn rules(view: &PlanView<'_>) -> Vec<String> {
    let course = view.course;
    let mut rules: Vec<String> =
        [together(view), bake(course), gate(course), stop_after(course)].into_iter().flatten().collect();
    if let Some(budget) = budget(course, view.hosts.len()) {
        rules.extend([budget, scope(course.rollback_scope).to_owned()]);
    }
    rules.extend(
        course.progress_deadline.map(|longest| {
            format!("stops when no host of a batch has come to its end for {}", limit(longest))
        }),
    );
    rules
}

/// Tells that the hosts of a batch stand or fall together, and how long one may wait armed for the others.
fn together(view: &PlanView<'_>) -> Option<String> {
    if view.course.confirm_scope == ConfirmScope::Host {
        return None;
    }
    let times = view.course.batches.iter().filter(|batch| batch.hosts.len() > 1).map(|batch| {
        let jobs = batch.hosts.iter().filter_map(|at| view.hosts.get(*at)).map(|plan| plan.job);
        Together::of(&jobs.collect::<Vec<_>>(), view.connect_parallel).armed_at_most()
    });
    let longest = times.max()?;
    Some(format!(
        "confirmed as one: all hosts of a batch stay armed until all have passed, {} at the longest; one that fails before \
         the first is confirmed undoes them all",
        limit(longest)
    ))
}

fn bake(course: &Course) -> Option<String> {
    let bakes = !course.bake.is_zero() && course.batches.len() > 1;
    bakes.then(|| format!("bake: the checks go on for {} before the next batch begins", limit(course.bake)))
}

fn gate(course: &Course) -> Option<String> {
    let waits = format!(
        "gate: after the canary it waits for `deploy promote`, {} at the longest",
        limit(course.gate_timeout)
    );
    (course.gate && course.stop_after != Some(StopAfter::Canary)).then_some(waits)
}

fn stop_after(course: &Course) -> Option<String> {
    match course.stop_after? {
        StopAfter::Canary => Some("ends after the canary, as asked".to_owned()),
        StopAfter::Batch(number) => Some(format!("ends after batch {number}, as asked")),
    }
}

fn budget(course: &Course, hosts: usize) -> Option<String> {
    let Budget::AtMost(most) = course.budget else { return None };
    let what = match course.unreachable {
        Unreachable::Fail => "failed or can't be reached",
        Unreachable::Skip => "failed; hosts that can't be reached are skipped",
    };
    Some(format!("stops when more than {} of {} have {what}", grouped(most), count(hosts, "host")))
}

fn scope(scope: RollbackScope) -> &'static str {
    match scope {
        RollbackScope::Host => "a failure undoes the failed host alone",
        RollbackScope::Batch => {
            "a failure that stops it also undoes what was confirmed in the failed host's batch"
        }
        RollbackScope::Run => "a failure that stops it also undoes all that the run has confirmed",
    }
}

fn count_batches(number: usize) -> String {
    if number == 1 { "1 batch".to_owned() } else { format!("{} batches", grouped(number)) }
}
