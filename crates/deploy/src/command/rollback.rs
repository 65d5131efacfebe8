//! `deploy rollback`: what is open or failed first; else back to before a run that was confirmed.

use super::apply::{Consent, Origin, perform};
use super::settle;
use crate::args::{GlobalArgs, RollbackArgs};
use crate::faces::complain;
use crate::{jumps, wiring};
use futures::stream::{self, StreamExt};
use snapback_core::outcome::ExitCode;
use snapback_core::rollout::Course;
use snapback_engine::ask::{Asker, Held};
use snapback_fleet::Fleet;

/// Runs the command.
pub(crate) async fn run(global: GlobalArgs, args: RollbackArgs) -> anyhow::Result<u8> {
    if args.names_a_run() {
        return settle::run(global, args.pending, settle::Verb::Rollback).await;
    }
    let mut fleet = wiring::load_fleet(&args.pending.target, &args.pending.select)?;
    wiring::open_protected(&args.go.care, &mut fleet);
    let asker = wiring::asker(&global)?;
    if is_any_open(&asker, &fleet).await {
        if args.to.is_some() {
            complain("something is open: that is rolled back first; then run this again to go further back");
        }
        return settle::run(global, args.pending, settle::Verb::Rollback).await;
    }
    let to = match args.to.clone() {
        Some(to) => Some(to),
        None => last_confirmed(&asker, &fleet).await,
    };
    let Some(to) = to else {
        // Each host says so itself, or why it can't be asked.
        return settle::run(global, args.pending, settle::Verb::Rollback).await;
    };
    go_back(&mut fleet, &to);
    jumps::keep_apart(&global, &mut fleet).await?;
    let comment =
        if args.go.comment.is_empty() { format!("back to before {to}") } else { args.go.comment.clone() };
    let spec = wiring::run_spec(&fleet, &comment, args.go.volatile_guard);
    let origin = Origin { vars: args.pending.select.vars.clone(), continues: None };
    let consent = Consent::of(&args.go);
    let code = perform(&global, &fleet, (spec, origin), consent).await?;
    if code == ExitCode::Good as u8 {
        complain("the fleet file still says what was undone: deploying it again brings it back");
    }
    Ok(code)
}

/// Makes of the fleet one that goes back: a single change, worked out by each host, and one batch unless some
/// are reached through others. The checks stay.
pub(super) fn go_back(fleet: &mut Fleet, to: &str) {
    for job in &mut fleet.jobs {
        // Its local changes belong to what the fleet file says now, and may be anything but what going back needs.
        *job = job.going_back(to, false);
    }
    fleet.course = Course::in_one_batch(fleet.jobs.len());
    fleet.notes.clear();
}

async fn is_any_open(asker: &Asker, fleet: &Fleet) -> bool {
    let asked = stream::iter(&fleet.jobs).map(|job| asker.standing(job));
    let standing: Vec<_> = asked.buffer_unordered(fleet.connect_parallel.max(1)).collect().await;
    standing.iter().any(|standing| standing.as_ref().is_ok_and(|s| s.pending.is_some()))
}

/// The newest run of this fleet that one can go back to before, on any of these hosts.
async fn last_confirmed(asker: &Asker, fleet: &Fleet) -> Option<String> {
    let asked = stream::iter(&fleet.jobs).map(|job| asker.history(job));
    let held: Vec<_> = asked.buffer_unordered(fleet.connect_parallel.max(1)).collect().await;
    let all = held.into_iter().flatten().flatten();
    all.filter(|held| held.fleet == fleet.name).filter(Held::is_candidate).map(|held| held.tx).max()
}
