//! `cargo xtask bench`: what protection costs, beside the same job without it.
//!
//! Four ways of spending time on N hosts, in interleaved rounds: two plain `ssh true` each (the floor); the
//! unprotected job; `deploy` with the same key exchange on both of its connections; `deploy` as shipped. Each
//! round gives every way files that no host has yet, and asserts that they arrived.

mod job;
mod meter;
mod report;
mod way;

use crate::lab::boot_hosts;
use crate::machine::cargo;
use anyhow::{Context, Result, bail, ensure};
use job::Job;
use meter::{Reading, measure, peak_memory};
use report::Rounds;
use snapback_testkit::lab::{HostKind, Lab};
use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use way::Way;

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many hosts
    #[arg(long, default_value_t = 20)]
    hosts: usize,
    /// How many rounds
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// How many hosts at once
    #[arg(long, default_value_t = 50)]
    parallel: usize,
    /// Measure only what needs no `deploy`
    #[arg(long)]
    baseline: bool,
}

/// Arguments of the part that runs on the lab's controller.
#[derive(Debug, clap::Args)]
pub(crate) struct RoundsArgs {
    #[command(flatten)]
    bench: Args,
    /// The program to measure
    #[arg(long)]
    deploy: PathBuf,
    /// The hosts' roots, seen from the machine
    #[arg(long)]
    roots: Vec<PathBuf>,
    /// Where the CPU time of each host is counted
    #[arg(long)]
    cpu_stats: Vec<PathBuf>,
}

/// Builds, brings the hosts up, and hands over to the controller.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    ensure!(
        args.hosts > 0 && args.rounds > 0 && args.parallel > 0,
        "no hosts, rounds or hosts at once: nothing to measure"
    );
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/deploy");
    if !args.baseline {
        let built = cargo()
            .args(["build", "--release", "--package", "deploy"])
            .status()
            .context("can't start cargo")?;
        ensure!(built.success(), "deploy can't be built");
    }
    let lab = Lab::new("bench")?;
    let names: Vec<String> = (1..=args.hosts).map(|number| format!("host{number}")).collect();
    let hosts = boot_hosts(&lab, &names, HostKind::Plain)?;
    // The whole measurement runs inside the controller's namespaces, so that entering them is in nobody's time.
    let mut command = lab.controller_command(env::current_exe()?);
    command.args(["bench-rounds", "--hosts", &args.hosts.to_string(), "--rounds", &args.rounds.to_string()]);
    command.args(["--parallel", &args.parallel.to_string()]);
    command.arg("--deploy").arg(if args.baseline { deploy } else { deploy.canonicalize()? });
    command.args(args.baseline.then_some("--baseline"));
    for host in &hosts {
        command.arg("--roots").arg(host.root()).arg("--cpu-stats").arg(host.cpu_stat());
    }
    let status = command.status().context("can't start the measurement")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Measures, on the controller.
pub(crate) fn run_rounds(args: &RoundsArgs) -> Result<ExitCode> {
    let bench = &args.bench;
    let job = Job::new(env::current_dir()?, bench.hosts, bench.parallel, args.deploy.clone())?;
    let ways: Vec<Way> =
        Way::ALL.iter().copied().filter(|way| !bench.baseline || !way.needs_deploy()).collect();
    println!(
        "{} hosts, {} rounds, {} hosts at once; the first round warms up.",
        bench.hosts, bench.rounds, bench.parallel
    );
    let mut rounds = Rounds::new(&ways, bench.hosts);
    for round in 0..=bench.rounds {
        let mut readings = vec![Reading::default(); ways.len()];
        for turn in 0..ways.len() {
            // Nobody is always first: the way that begins moves on with each round.
            let place = (round + turn) % ways.len();
            readings[place] = one_turn(&job, ways[place], args)?;
        }
        if round > 0 {
            rounds.add(readings);
        }
    }
    // Sampling memory costs time, so it has a round to itself.
    let mut peaks = Vec::new();
    for way in &ways {
        job.renew()?;
        let (done, peak) = peak_memory(|| way.run(&job));
        done?;
        peaks.push(peak);
    }
    rounds.print(&peaks);
    Ok(ExitCode::SUCCESS)
}

fn one_turn(job: &Job, way: Way, args: &RoundsArgs) -> Result<Reading> {
    let stamp = job.renew()?;
    let (done, reading) = measure(&args.cpu_stats, || way.run(job));
    done.with_context(|| format!("{way} failed"))?;
    if way.changes_hosts() {
        for root in &args.roots {
            let arrived = std::fs::read_to_string(root.join("etc/bench/stamp")).unwrap_or_default();
            if arrived != stamp {
                bail!("{way} said it succeeded, but {} has not got the new files", root.display());
            }
        }
    }
    Ok(reading)
}
