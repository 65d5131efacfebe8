//! Wiring: fleet file to jobs, connector, records.

use crate::args::{CareArgs, GlobalArgs, SelectArgs};
use crate::become_password;
use crate::exit::Usage;
use crate::faces::colour;
use crate::origin::origin;
use anyhow::Context;
use snapback_core::host::HostName;
use snapback_core::job::RunSpec;
use snapback_core::proof::Mode;
use snapback_engine::ask::Asker;
use snapback_engine::record::Records;
use snapback_fleet::{Fleet, LoadRequest};
use snapback_transport::{Connector, SshConnector, SshOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Shows what the crates trace, when asked: `-vv`, or the usual variable.
pub(crate) fn start_tracing(verbose: u8) {
    use tracing_subscriber::EnvFilter;
    let fallback = if verbose > 1 { "debug" } else { "warn" };
    let filter = EnvFilter::try_from_env("DEPLOY_LOG").unwrap_or_else(|_| EnvFilter::new(fallback));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}

/// Loads the fleet; every problem is told at once.
pub(crate) fn load_fleet(path: &Path, select: &SelectArgs) -> anyhow::Result<Fleet> {
    load_fleet_for(path, select, None)
}

/// Loads the fleet for a run whose mode was perhaps asked for on the command line.
pub(crate) fn load_fleet_for(path: &Path, select: &SelectArgs, mode: Option<Mode>) -> anyhow::Result<Fleet> {
    load(path, LoadRequest { vars: select.vars.clone(), limit: select.limit.clone(), mode, only: None })
}

/// Loads the fleet with only these hosts.
pub(crate) fn load_hosts(
    path: &Path,
    select: &SelectArgs,
    only: Option<Vec<HostName>>,
) -> anyhow::Result<Fleet> {
    load(path, LoadRequest { vars: select.vars.clone(), limit: select.limit.clone(), mode: None, only })
}

fn load(path: &Path, request: LoadRequest) -> anyhow::Result<Fleet> {
    if !path.exists() {
        return Err(Usage(missing_file(path)).into());
    }
    snapback_fleet::load(path, &request).map_err(|problems| Usage(problems.render(colour())).into())
}

/// The command that was probably meant: what stands where a fleet file may stand is often one that was mistyped.
fn near_command(path: &Path) -> Option<String> {
    use clap::CommandFactory;
    let typed = path.to_str()?;
    let commands = crate::args::Args::command();
    let near =
        commands.get_subcommands().map(|c| (strsim::damerau_levenshtein(typed, c.get_name()), c.get_name()));
    near.min().filter(|(distance, _)| *distance <= 2).map(|(_, name)| name.to_owned())
}

/// The file that was probably meant.
fn missing_file(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let near = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|other| other.ends_with(".toml"))
        .map(|other| (strsim::damerau_levenshtein(&name, &other), other))
        .min();
    let mut text = format!("error: there is no fleet file {}", path.display());
    if let Some(command) = near_command(path) {
        text.push_str(&format!("\n  hint: did you mean `deploy {command}`?"));
        return text;
    }
    match near {
        Some((distance, other)) if distance <= 3 => {
            text.push_str(&format!("\n  hint: did you mean {}?", folder.join(other).display()));
        }
        _ => text.push_str("\n  hint: `deploy init HOST...` writes one; `deploy --help` lists the commands"),
    }
    text
}

/// Opens protected hosts, if that was asked for.
pub(crate) fn open_protected(care: &CareArgs, fleet: &mut Fleet) {
    for job in fleet.jobs.iter_mut().filter(|_| care.allow_protected) {
        job.protected = false;
    }
}

/// Where the records of runs are kept.
pub(crate) fn state_dir(global: &GlobalArgs) -> anyhow::Result<PathBuf> {
    if let Some(dir) = &global.state_dir {
        return Ok(dir.clone());
    }
    if let Some(dir) = std::env::var_os("XDG_STATE_HOME").filter(|d| Path::new(d).is_absolute()) {
        return Ok(PathBuf::from(dir).join("snapback"));
    }
    let home =
        std::env::var_os("HOME").context("neither HOME nor XDG_STATE_HOME is set; pass --state-dir")?;
    Ok(PathBuf::from(home).join(".local/state/snapback"))
}

pub(crate) fn connector(global: &GlobalArgs) -> anyhow::Result<Arc<dyn Connector>> {
    Ok(Arc::new(ssh(global)?))
}

/// The connector as what it is.
pub(crate) fn ssh(global: &GlobalArgs) -> anyhow::Result<SshConnector> {
    let options = SshOptions { verbose: global.verbose > 1, ..SshOptions::default() };
    SshConnector::new(options).context("ssh can't be used")
}

/// The records of this controller's runs.
pub(crate) fn records(global: &GlobalArgs) -> anyhow::Result<Records> {
    Ok(Records::in_state_dir(&state_dir(global)?))
}

pub(crate) fn asker(global: &GlobalArgs) -> anyhow::Result<Asker> {
    Ok(Asker {
        password: become_password::find(global)?,
        connector: connector(global)?,
        records: Records::in_state_dir(&state_dir(global)?),
    })
}

/// What all hosts of a run are told about it.
pub(crate) fn run_spec(fleet: &Fleet, comment: &str, volatile_guard: bool) -> RunSpec {
    RunSpec {
        run: ulid::Ulid::generate().to_string(),
        fleet: fleet.name.clone(),
        owner: owner(),
        origin: origin(&fleet.dir),
        comment: comment.to_owned(),
        parallel: fleet.parallel,
        connect_parallel: fleet.connect_parallel,
        volatile_guard,
    }
}

/// `user@controller`, for whoever finds a host locked.
pub(crate) fn owner() -> String {
    let user =
        std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "somebody".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    format!("{user}@{}", if host.is_empty() { "unknown" } else { host })
}
