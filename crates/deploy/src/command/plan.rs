//! `deploy plan`: what would change; nothing is changed.

use super::apply::{Origin, plan_code, prepare, print_plan};
use super::compensate::warn_of_leftovers;
use crate::args::{GlobalArgs, Output, PlanArgs};
use crate::{jumps, wiring};
use snapback_engine::rollout::Locking;

/// Runs the command; returns the exit code.
pub(crate) async fn run(global: GlobalArgs, args: PlanArgs) -> anyhow::Result<u8> {
    let mut fleet = wiring::load_fleet(&args.fleet.fleet, &args.fleet.select)?;
    jumps::keep_apart(&global, &mut fleet).await?;
    let spec = wiring::run_spec(&fleet, "", false);
    warn_of_leftovers(&global, &fleet.name)?;
    let (run, faces) = prepare(&global, &fleet, (spec, Origin::default()), Locking::Off)?;
    let planned = run.plan().await;
    faces.make_way().await;
    if global.output == Output::Human {
        print_plan(&global, &fleet, &planned);
    }
    let has_work = planned.has_work();
    let code = planned.leave().await;
    faces.finish().await;
    Ok(plan_code(args.detailed_exitcode, has_work, code))
}
