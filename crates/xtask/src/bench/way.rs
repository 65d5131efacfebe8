//! The ways that are measured.

use super::job::{CHECK, DEST, HANDLER, Job};
use anyhow::{Context, Result, anyhow, bail};
use std::fmt;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

/// One way of spending time on all hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Two plain `ssh true` a host, one after the other: the floor.
    TwoConnections,
    /// The job without protection: `tar | ssh`, then the check over a second ssh.
    Unprotected,
    /// `deploy`, with the default key exchange on both connections, as the two above have it.
    SameKex,
    /// `deploy` as shipped.
    AsShipped,
}

impl Way {
    /// All of them.
    pub(crate) const ALL: [Self; 4] =
        [Self::TwoConnections, Self::Unprotected, Self::SameKex, Self::AsShipped];

    /// Tells whether it is ours.
    pub(crate) fn needs_deploy(self) -> bool {
        matches!(self, Self::SameKex | Self::AsShipped)
    }

    /// Tells whether hosts have the files afterwards.
    pub(crate) fn changes_hosts(self) -> bool {
        self != Self::TwoConnections
    }

    /// Does it, on all hosts.
    pub(crate) fn run(self, job: &Job) -> Result<()> {
        match self {
            Self::TwoConnections => on_all(job, |host| {
                ssh(host, "true", None)?;
                ssh(host, "true", None)
            }),
            Self::Unprotected => {
                let tree = job.tree.clone();
                on_all(job, |host| unprotected(&tree, host))
            }
            Self::SameKex => deploy(job, &job.same_kex),
            Self::AsShipped => deploy(job, &job.as_shipped),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TwoConnections => "two `ssh true`",
            Self::Unprotected => "unprotected job",
            Self::SameKex => "deploy, same kex",
            Self::AsShipped => "deploy, as shipped",
        })
    }
}

/// Runs something for every host, some of them at once, as `xargs -P` does.
fn on_all(job: &Job, each: impl Fn(&str) -> Result<()> + Sync) -> Result<()> {
    let waiting = Mutex::new(job.hosts.iter());
    let next = || waiting.lock().ok().and_then(|mut hosts| hosts.next());
    thread::scope(|scope| {
        let worker = || -> Result<()> {
            while let Some(host) = next() {
                each(host).with_context(|| host.clone())?;
            }
            Ok(())
        };
        let workers: Vec<_> = (0..job.parallel.min(job.hosts.len())).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?)
    })
}

/// Syncs the files that it wrote and no others: a global `sync` would wait for whatever else this machine does.
fn unprotected(tree: &Path, host: &str) -> Result<()> {
    let mut tar =
        Command::new("tar").arg("-C").arg(tree).args(["-cf", "-", "."]).stdout(Stdio::piped()).spawn()?;
    let unpack = format!("mkdir -p {DEST} && tar -xf - -C {DEST} && sync {DEST}/* {DEST} && {HANDLER}");
    let sent = ssh(host, &unpack, tar.stdout.take().map(Stdio::from));
    tar.wait()?;
    sent?;
    ssh(host, CHECK, None)
}

fn ssh(host: &str, command: &str, input: Option<Stdio>) -> Result<()> {
    let mut ssh = Command::new("ssh");
    ssh.args([host, command]).stdin(input.unwrap_or_else(Stdio::null)).stdout(Stdio::null());
    let status = ssh.status().context("can't start ssh")?;
    if status.success() { Ok(()) } else { bail!("`ssh {host} {command}`: {status}") }
}

fn deploy(job: &Job, fleet: &Path) -> Result<()> {
    // Into a file: a pipe that nobody empties would hold the program up.
    let log = fleet.with_extension("log");
    let mut command = Command::new(&job.deploy);
    command.arg(fleet).args(["--yes", "--volatile-guard"]).stdin(Stdio::null());
    command.stdout(File::create(&log)?).stderr(File::options().append(true).open(&log)?);
    let status = command.status().context("can't start deploy")?;
    if status.success() { Ok(()) } else { bail!("{status}\n{}", fs::read_to_string(&log)?) }
}
