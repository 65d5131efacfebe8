//! `cargo xtask model`, `races` and `fuzz`: the tests that prove by number, at their full length. `cargo xtask test`
//! runs a short slice of each.

use crate::machine::cargo;
use anyhow::{Context, Result};
use clap::Args;
use std::process::{Command, ExitCode};

/// How long the races go on.
#[derive(Debug, Args)]
pub(crate) struct Races {
    /// Rounds in each shell
    #[arg(long, default_value_t = 10_000)]
    rounds: usize,
}

/// How much is read.
#[derive(Debug, Args)]
pub(crate) struct Fuzz {
    /// Inputs for each reader
    #[arg(long, default_value_t = 10_000_000)]
    count: u64,
    /// The same seed gives the same inputs
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Whoever reads what others wrote, and the crate it is in.
const READERS: [&str; 2] = ["snapback-agent", "snapback-fleet"];

/// Reads inputs made from a seed, with optimised code: so many by each reader.
pub(crate) fn fuzz(args: &Fuzz) -> Result<ExitCode> {
    let mut command = cargo();
    command.args(["test", "--profile", "fuzz", "--no-fail-fast", "--test", "fuzz"]);
    for reader in READERS {
        command.args(["--package", reader]);
    }
    command.args(["--", "--nocapture"]);
    command.env("SNAPBACK_FUZZ", args.count.to_string()).env("SNAPBACK_FUZZ_SEED", args.seed.to_string());
    run(&mut command)
}

/// Searches the larger spaces.
pub(crate) fn model() -> Result<ExitCode> {
    run(tests("snapback-model", "search", "").env("SNAPBACK_MODEL", "large"))
}

/// Runs the races of the deciders.
pub(crate) fn races(args: &Races) -> Result<ExitCode> {
    run(tests("snapback-agent", "shell", "deciders::").env("SNAPBACK_RACES", args.rounds.to_string()))
}

/// The tests of one test program whose names begin so, one after the other, with what they print.
fn tests(package: &str, program: &str, names: &str) -> Command {
    let mut command = cargo();
    command.args(["test", "--package", package, "--test", program, "--", "--nocapture", "--test-threads=1"]);
    if !names.is_empty() {
        command.arg(names);
    }
    command
}

fn run(command: &mut Command) -> Result<ExitCode> {
    let status = command.status().context("can't start cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
