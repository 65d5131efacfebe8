//! Development tasks: `cargo xtask test`, `demo`, `lab`, `bench`, `faults`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

mod bench;
mod demo;
mod faults;
mod lab;
mod machine;
mod packages;
mod proofs;
mod test;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Development tasks")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what the tests need, and run all of them
    Test,
    /// Install sshd if it is missing, build, and run `deploy demo`
    Demo {
        /// Handed to `deploy demo`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Start, use and take away a lab of hosts on this machine (root)
    #[command(subcommand)]
    Lab(lab::Command),
    /// Search the larger spaces of the model: minutes, and 2 GB of memory
    Model,
    /// Let all who may decide meet at one transaction, again and again, in each shell
    Races(proofs::Races),
    /// Read what a hostile target may say, millions of times
    Fuzz(proofs::Fuzz),
    /// Measure a run beside the same job without protection (root)
    Bench(bench::Args),
    /// Inject faults by the thousand, and see whether what was promised holds
    Faults(faults::Args),
    /// The part of `bench` that runs on the lab's controller
    #[command(hide = true)]
    BenchRounds(bench::RoundsArgs),
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Test => test::run(),
        Task::Demo { arguments } => demo::run(&arguments),
        Task::Lab(command) => lab::run(command),
        Task::Model => proofs::model(),
        Task::Races(args) => proofs::races(&args),
        Task::Fuzz(args) => proofs::fuzz(&args),
        Task::Faults(args) => faults::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::BenchRounds(args) => bench::run_rounds(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
