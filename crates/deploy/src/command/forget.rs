//! `deploy forget`: remove every trace of snapback from hosts.

use super::settle;
use crate::args::{ForgetArgs, GlobalArgs};
use crate::{ask, wiring};
use snapback_core::outcome::ExitCode;

/// Runs the command; a host with a pending transaction refuses.
pub(crate) async fn run(global: GlobalArgs, args: ForgetArgs) -> anyhow::Result<u8> {
    let fleet = wiring::load_fleet(&args.fleet.fleet, &args.fleet.select)?;
    ask::must_be_able_to_ask(args.yes)?;
    let question = format!("remove snapback's state and boot hook from {} hosts?", fleet.jobs.len());
    if !args.yes && !ask::agreed(&question, fleet.jobs.len())? {
        return Ok(ExitCode::Good as u8);
    }
    let asker = wiring::asker(&global)?;
    let code = settle::one_by_one(&fleet.jobs, "forgotten", async |job| asker.forget(job).await).await;
    Ok(code as u8)
}
