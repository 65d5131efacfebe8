//! `deploy forget`: remove every trace of snapback from hosts.

use crate::args::{ForgetArgs, GlobalArgs};
use crate::faces::print;
use crate::{ask, wiring};
use snapback_core::outcome::ExitCode;
use snapback_engine::ask::Settled;

/// Runs the command; a host with a pending transaction refuses.
pub(crate) async fn run(global: GlobalArgs, args: ForgetArgs) -> anyhow::Result<u8> {
    let fleet = wiring::load_fleet(&args.fleet.fleet, &args.fleet.select)?;
    ask::must_be_able_to_ask(args.yes)?;
    let question = format!("remove snapback's state and boot hook from {} hosts?", fleet.jobs.len());
    if !args.yes && !ask::agreed(&question, fleet.jobs.len())? {
        return Ok(ExitCode::Good as u8);
    }
    let asker = wiring::asker(&global)?;
    let mut code = ExitCode::Good;
    for job in &fleet.jobs {
        let text = match asker.forget(job).await {
            Ok(Settled::Forgotten | Settled::Nothing) => "forgotten".to_owned(),
            Ok(Settled::Denied(why)) => {
                code = ExitCode::Failed;
                format!("no: {why}")
            }
            Ok(other) => format!("unexpected answer: {other:?}"),
            Err(failure) => {
                code = ExitCode::Failed;
                failure.cause
            }
        };
        print(&format!("{}: {text}", job.host));
    }
    Ok(code as u8)
}
