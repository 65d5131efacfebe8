//! The commands that look, decide or tidy up.

use super::which::{FleetArgs, HostsArgs, PendingArgs, RunArgs, SelectArgs, is_run};
use clap::Args as ClapArgs;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, ClapArgs)]
pub(crate) struct ConfirmArgs {
    #[command(flatten)]
    pub(crate) pending: PendingArgs,
    /// Confirm although this required check is red; every red one must be named, and no other
    #[arg(long, value_name = "CHECK")]
    pub(crate) despite: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ExtendArgs {
    #[command(flatten)]
    pub(crate) pending: PendingArgs,
    /// By how much, like 10m; never past `hard_cap`
    #[arg(long, value_name = "TIME", value_parser = snapback_fleet::parse_duration)]
    pub(crate) by: Duration,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct UnlockArgs {
    #[command(flatten)]
    pub(crate) hosts: HostsArgs,
    /// Do it without asking
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct HistoryArgs {
    /// Hosts to ask what they hold, or `rm RUN` to free what hosts hold of a run, and the fleet file [default:
    /// ./fleet.toml]
    #[arg(value_name = "FLEET|HOST")]
    pub(crate) words: Vec<String>,
    /// Ask the hosts what they hold, to go back to
    #[arg(long)]
    pub(crate) hosts: bool,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

impl HistoryArgs {
    /// The fleet file, and its hosts that were named.
    pub(crate) fn fleet(&self) -> HostsArgs {
        let words = if self.freed().is_some() { &self.words[2..] } else { &self.words[..] };
        HostsArgs { words: words.to_vec(), select: self.select.clone() }
    }

    /// The run that `rm` names.
    pub(crate) fn freed(&self) -> Option<&str> {
        match self.words.as_slice() {
            [rm, run, ..] if rm == "rm" && is_run(run) => Some(run),
            _ => None,
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct LogsArgs {
    /// The host
    #[arg(value_name = "HOST")]
    pub(crate) host: String,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// Exit 0: no change, 1: error, 2: changes
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ResolveArgs {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// I have looked at the host, and it may stay as it is
    #[arg(long, required = true)]
    pub(crate) accept: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ForgetArgs {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// Do it without asking
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct InitArgs {
    /// Hosts, as typed after `ssh`
    #[arg(value_name = "HOST", required = true)]
    pub(crate) hosts: Vec<String>,
    /// The file to write; an existing one is never overwritten
    #[arg(long, value_name = "FILE", default_value = "./fleet.toml")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    /// Keep the fleet's folder and say where it is
    #[arg(long)]
    pub(crate) keep: bool,
}
