//! The commands, one file each.

mod again;
mod apply;
mod compensate;
mod demo;
mod doctor;
mod forget;
mod history;
mod init;
mod logs;
mod plan;
mod rollback;
mod settle;
mod signal;
mod status;
mod unlock;

use crate::args::{Args, Command, FleetArgs, PendingArgs};
use anyhow::Context;
use snapback_engine::rollout::Signal;
use std::future::Future;

/// Runs what was asked for and returns the exit code.
pub(crate) fn run(args: Args) -> anyhow::Result<u8> {
    let global = args.global;
    match args.command {
        None => in_runtime(apply::run(global, args.apply)),
        Some(Command::Plan(plan)) => in_runtime(plan::run(global, plan)),
        Some(Command::Status(fleet)) => in_runtime(status::run(global, fleet)),
        Some(Command::Confirm(confirm)) => {
            in_runtime(settle::run(global, confirm.pending, settle::Verb::Confirm(confirm.despite)))
        }
        Some(Command::Extend(extend)) => {
            in_runtime(settle::run(global, extend.pending, settle::Verb::Extend(extend.by)))
        }
        Some(Command::Rollback(rollback)) => in_runtime(rollback::run(global, rollback)),
        Some(Command::Resolve(resolve)) => {
            let FleetArgs { fleet, select } = resolve.fleet;
            let pending = PendingArgs { target: fleet, select, record: None };
            in_runtime(settle::run(global, pending, settle::Verb::Accept))
        }
        Some(Command::Promote(run)) => signal::run(&global, &run, Signal::Promote),
        Some(Command::Abort(run)) => in_runtime(compensate::abort(global, run)),
        Some(Command::Retry(again)) => in_runtime(again::retry(global, again)),
        Some(Command::Resume(again)) => in_runtime(again::resume(global, again)),
        Some(Command::History(args)) => in_runtime(history::run(global, args)),
        Some(Command::Unlock(args)) => in_runtime(unlock::run(global, args)),
        Some(Command::Logs(logs)) => logs::run(&global, &logs),
        Some(Command::Doctor(fleet)) => in_runtime(doctor::run(global, fleet)),
        Some(Command::Forget(forget)) => in_runtime(forget::run(global, forget)),
        Some(Command::Init(init)) => init::run(&init),
        Some(Command::Demo(demo)) => in_runtime(demo::run(global, demo)),
    }
}

fn in_runtime(work: impl Future<Output = anyhow::Result<u8>>) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context("the runtime could not be started")?;
    let result = runtime.block_on(work);
    // A name that is still being resolved must not keep the process.
    runtime.shutdown_background();
    result
}
