//! `cargo xtask faults`: the fault campaign, level by level.

use crate::machine::cargo;
use clap::{Args as ClapArgs, ValueEnum};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Args {
    /// How many faults at least, at each level
    #[arg(long, default_value_t = 1000)]
    count: u64,
    /// The seed of the first case; the next case has the next number
    #[arg(long)]
    seed: Option<u64>,
    /// Where to inject them
    #[arg(long, value_enum, default_value_t = Level::All)]
    level: Level,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    /// The engine against a model of the target, in virtual time
    Process,
    /// The real agent under four shells
    Shell,
    /// The real command against hosts in the lab (root)
    Lab,
    /// One after another
    All,
}

const LEVELS: [(Level, &[&str]); 3] = [
    (Level::Process, &["--package", "snapback-engine", "--test", "faults", "whatever_strikes"]),
    (Level::Shell, &["--package", "snapback-agent", "--test", "faults", "whatever_strikes"]),
    (Level::Lab, &["--package", "deploy", "--features", "lab", "--test", "lab", "whatever_strikes"]),
];

/// Runs the campaign; its tests print what they counted, and the command that repeats what failed.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = args.seed.unwrap_or(clock.as_secs());
    let mut code = ExitCode::SUCCESS;
    for (level, test) in LEVELS {
        if args.level != Level::All && args.level != level {
            continue;
        }
        let mut command = cargo();
        command.arg("test").args(test).args(["--", "--nocapture"]);
        let status = command.env("SNAPBACK_FAULTS", format!("{} {seed}", args.count)).status()?;
        if !status.success() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}
