//! The `deploy` command: reads the command line, wires the crates together, and turns outcomes into exit codes.

mod args;
mod ask;
mod become_password;
mod command;
mod demo;
mod exit;
mod faces;
mod interrupt;
mod jumps;
mod origin;
mod pending;
mod person;
mod wiring;

use args::Args;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse_checked();
    wiring::start_tracing(args.global.verbose);
    exit::leave(command::run(args))
}
