//! `deploy FLEET`: plan, ask, change.

use super::compensate::warn_of_leftovers;
use crate::args::{ApplyArgs, GlobalArgs, GoArgs, Output};
use crate::exit::Usage;
use crate::faces::{self, Faces, complain, print};
use crate::interrupt::{self, Interrupt};
use crate::person::{AtTerminal, Elsewhere};
use crate::{ask, become_password, jumps, wiring};
use anyhow::Context;
use snapback_core::content::{Content, Sha256Hex};
use snapback_core::job::RunSpec;
use snapback_core::outcome::ExitCode;
use snapback_core::rollout::StopAfter;
use snapback_engine::record::Records;
use snapback_engine::rollout::Locking;
use snapback_engine::run::Planned;
use snapback_engine::{Continued, Run, RunParts, events};
use snapback_fleet::Fleet;
use snapback_render::plan::{HostPlan, PlanView, prompt_text, render_plan};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Files longer than this are not shown in a diff, in bytes.
const LONGEST_SHOWN: usize = 64 * 1024;

/// Runs the command; returns the exit code.
pub(crate) async fn run(global: GlobalArgs, args: ApplyArgs) -> anyhow::Result<u8> {
    let path = args.fleet.clone().unwrap_or_else(|| PathBuf::from("./fleet.toml"));
    let mut fleet = wiring::load_fleet_for(&path, &args.select, args.confirm.map(Into::into))?;
    wiring::open_protected(&args.go.care, &mut fleet);
    jumps::keep_apart(&global, &mut fleet).await?;
    fleet.course.stop_after = args.stop_after;
    judge_stop(&fleet)?;
    let spec = wiring::run_spec(&fleet, &args.go.comment, args.go.volatile_guard);
    let consent = Consent::of(&args.go);
    let origin = Origin { vars: args.select.vars, continues: None };
    perform(&global, &fleet, (spec, origin), consent).await
}

/// What a person has said already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Consent {
    /// Change hosts without asking.
    pub(super) yes: bool,
    /// Change nothing.
    pub(super) dry_run: bool,
    /// Wait so long for hosts that another run holds.
    pub(super) lock_wait: Duration,
}

impl Consent {
    /// As it was typed.
    pub(super) fn of(go: &GoArgs) -> Self {
        Self { yes: go.yes, dry_run: go.dry_run, lock_wait: go.care.wait() }
    }

    fn locking(self) -> Locking {
        let wait = self.lock_wait;
        match self {
            Self { dry_run: true, .. } => Locking::Off,
            Self { yes: true, .. } => Locking::AtOnce { wait },
            _ => Locking::OnceAgreed { wait },
        }
    }
}

/// Where a run comes from, for its record.
#[derive(Debug, Default)]
pub(super) struct Origin {
    /// `--var`.
    pub(super) vars: Vec<(String, String)>,
    /// The run that it goes on with.
    pub(super) continues: Option<Continued>,
}

/// Plans, asks, changes.
pub(super) async fn perform(
    global: &GlobalArgs,
    fleet: &Fleet,
    (spec, origin): (RunSpec, Origin),
    consent: Consent,
) -> anyhow::Result<u8> {
    if !consent.dry_run {
        ask::must_be_able_to_ask(consent.yes)?;
    }
    warn_of_leftovers(global, &fleet.name)?;
    let (run, faces) = prepare(global, fleet, (spec, origin), consent.locking())?;
    let interrupt = interrupt::watch(run.halt(), run.release(), faces.armed.clone());
    let planned = run.plan().await;
    faces.make_way().await;
    show(global, fleet, &planned);
    let code = if !planned.has_work() || consent.dry_run {
        planned.leave().await
    // With too many failures already, or on hosts that another run holds, nothing will be changed: there is nothing to ask.
    } else if consent.yes
        || planned.is_over_budget() && planned.to_undo().is_empty()
        || planned.is_held()
        || agreed(fleet, &planned, interrupt).await?
    {
        planned.apply().await.context("the run's record could not be written; no host was changed")?
    } else {
        complain("nothing was changed");
        planned.leave().await
    };
    faces.finish().await;
    Ok(code as u8)
}

/// A place to stop that the run doesn't come to would be passed unseen.
fn judge_stop(fleet: &Fleet) -> Result<(), Usage> {
    let batches = fleet.course.batches.len();
    match fleet.course.stop_after {
        Some(StopAfter::Canary) if fleet.course.last_canary().is_none() => Err(Usage(
            "error: --stop-after canary: no host of this run is a canary\n  hint: set `canary` in [rollout]"
                .to_owned(),
        )),
        Some(StopAfter::Batch(number)) if number > batches => Err(Usage(format!(
            "error: --stop-after {number}: this run has {batches} batches\n  hint: `deploy plan` lists them"
        ))),
        _ => Ok(()),
    }
}

/// Makes a run and starts whoever listens to it.
pub(super) fn prepare(
    global: &GlobalArgs,
    fleet: &Fleet,
    (spec, origin): (RunSpec, Origin),
    locking: Locking,
) -> anyhow::Result<(Run, Faces)> {
    let (sender, receiver) = events(&spec.run);
    let faces = faces::listen(global, receiver);
    let records = Records::in_state_dir(&wiring::state_dir(global)?);
    let elsewhere = Elsewhere {
        run: spec.run.clone(),
        record: records.path(&spec.run),
        options: global
            .state_dir
            .as_ref()
            .map(|dir| format!("--state-dir {}", dir.display()))
            .unwrap_or_default(),
    };
    let parts = RunParts {
        password: become_password::find(global)?,
        jobs: fleet.jobs.clone(),
        course: fleet.course.clone(),
        vars: origin.vars,
        continues: origin.continues,
        contents: fleet.contents.clone(),
        dir: fleet.dir.clone(),
        connector: wiring::connector(global)?,
        events: sender,
        records,
        texts: global.output == Output::Human,
        person: Some(Arc::new(AtTerminal { way: faces.way(), elsewhere })),
        locking,
        spec,
    };
    Ok((Run::new(parts).with_hooks(fleet.hooks.clone()), faces))
}

/// Shows the plan: on standard error, because standard output is for data alone.
fn show(global: &GlobalArgs, fleet: &Fleet, planned: &Planned) {
    if global.output == Output::Human {
        let all = global.verbose > 0;
        complain(&with_view(fleet, planned, all, faces::colour(), render_plan));
    }
}

/// Prints the plan as the data that was asked for.
pub(super) fn print_plan(global: &GlobalArgs, fleet: &Fleet, planned: &Planned) {
    print(&with_view(fleet, planned, global.verbose > 0, faces::colour_out(), render_plan));
}

/// Asks a person; an interrupt is a no.
async fn agreed(fleet: &Fleet, planned: &Planned, mut interrupt: Interrupt) -> anyhow::Result<bool> {
    let question = with_view(fleet, planned, false, false, prompt_text);
    let changed = planned
        .hosts()
        .iter()
        .filter(|h| !h.job.protected && h.found.is_ok_and(|i| !i.is_unchanged()))
        .count();
    let hosts = changed + planned.to_undo().len();
    let asking = tokio::task::spawn_blocking(move || ask::agreed(&question, hosts));
    tokio::select! {
        answer = asking => answer?.context("the answer could not be read"),
        () = interrupt.heard() => Ok(false),
    }
}

fn with_view(
    fleet: &Fleet,
    planned: &Planned,
    all: bool,
    colour: bool,
    draw: fn(&PlanView<'_>) -> String,
) -> String {
    let found = planned.hosts();
    let hosts = found.iter().map(|h| HostPlan { host: h.host(), job: h.job, found: h.found }).collect();
    let text_of = |hash: &Sha256Hex| text_of(fleet, hash);
    let width = usize::from(console::Term::stderr().size().1).max(80);
    let (course, notes) = (&fleet.course, &fleet.notes);
    let connect_parallel = fleet.connect_parallel;
    draw(&PlanView {
        fleet: &fleet.name,
        hosts,
        undone: planned.to_undo(),
        course,
        connect_parallel,
        text_of: &text_of,
        notes,
        all,
        colour,
        width,
    })
}

/// The text of a file that will be put in place, if it is one and small.
fn text_of(fleet: &Fleet, hash: &Sha256Hex) -> Option<Arc<str>> {
    match fleet.contents.get(hash)? {
        Content::Bytes(bytes) if bytes.len() <= LONGEST_SHOWN && !bytes.contains(&0) => {
            std::str::from_utf8(bytes).ok().map(Arc::from)
        }
        _ => None,
    }
}

/// The code for a plan that was only looked at.
pub(super) fn plan_code(detailed: bool, has_work: bool, code: ExitCode) -> u8 {
    match (detailed, code) {
        (true, ExitCode::Good) => u8::from(has_work) * 2,
        (true, _) => 1,
        (false, code) => code as u8,
    }
}
