//! The commands that change hosts: `deploy FLEET`, `rollback`, `retry`, `resume`.

use super::which::{PendingArgs, RunArgs, SelectArgs, is_run};
use clap::{Args as ClapArgs, ValueEnum};
use snapback_core::proof::Mode;
use snapback_core::rollout::StopAfter;
use std::path::PathBuf;
use std::time::Duration;

/// How a run that changes hosts goes about it.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct GoArgs {
    /// Change the hosts without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Show the plan and stop
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// Go on where a reboot inside the window would not undo: no boot hook is possible, or a reboot loses the record
    #[arg(long)]
    pub(crate) volatile_guard: bool,
    #[command(flatten)]
    pub(crate) care: CareArgs,
    /// What the run is for, shown to whoever finds a host locked by it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) comment: String,
}

/// `deploy FLEET`: plan, ask, change.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ApplyArgs {
    /// The fleet file: plan, ask, and change its hosts
    #[arg(value_name = "FLEET")]
    pub(crate) fleet: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    #[command(flatten)]
    pub(crate) go: GoArgs,
    /// Who says that a host whose checks have passed may be confirmed; wins over `mode` of the fleet file
    #[arg(long, value_enum, value_name = "WHO")]
    pub(crate) confirm: Option<Confirm>,
    /// End after the canary, or after the batch with this number; running again goes on from there
    #[arg(long, value_name = "canary|BATCH", value_parser = parse_stop)]
    pub(crate) stop_after: Option<StopAfter>,
}

/// What to do about hosts that others hold, or that are protected.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct CareArgs {
    /// Wait so long, like 10m, for hosts that another run holds [default: not at all]
    #[arg(long, value_name = "TIME", value_parser = snapback_fleet::parse_duration, conflicts_with = "dry_run")]
    lock_wait: Option<Duration>,
    /// Change hosts that the fleet file protects as well
    #[arg(long)]
    pub(crate) allow_protected: bool,
}

impl CareArgs {
    /// How long hosts that another run holds are waited for.
    pub(crate) fn wait(&self) -> Duration {
        self.lock_wait.unwrap_or_default()
    }
}

/// Who confirms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Confirm {
    /// The checks alone
    Auto,
    /// A person, once the checks have passed
    Manual,
}

impl From<Confirm> for Mode {
    fn from(confirm: Confirm) -> Self {
        match confirm {
            Confirm::Auto => Self::Auto,
            Confirm::Manual => Self::Manual,
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    pub(crate) pending: PendingArgs,
    /// Go back to before this run: it and all runs of this fleet since are undone [default: the last confirmed one]
    #[arg(long, value_name = "RUN")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) go: GoArgs,
}

impl RollbackArgs {
    /// Whether it names a run, or brings its record: then it is about what that run has left open.
    pub(crate) fn names_a_run(&self) -> bool {
        self.pending.record.is_some() || self.pending.target.to_str().is_some_and(is_run)
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AgainArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) go: GoArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) again: AgainArgs,
    /// Of batches that were to be confirmed as one and were split, undo what is confirmed; go on with nothing
    #[arg(long)]
    pub(crate) undo: bool,
}

fn parse_stop(text: &str) -> Result<StopAfter, String> {
    match text.parse() {
        _ if text == "canary" => Ok(StopAfter::Canary),
        Ok(number) if number > 0 => Ok(StopAfter::Batch(number)),
        _ => Err("it is `canary` or the number of a batch; `deploy plan` lists them".to_owned()),
    }
}
