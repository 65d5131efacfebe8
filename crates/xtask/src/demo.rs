//! `cargo xtask demo`.

use crate::machine::{Root, cargo};
use crate::packages::{SSHD, install};
use anyhow::{Context, Result, bail};
use std::process::ExitCode;

/// Sees to an sshd, builds, and runs the demo.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let missing = install(&[SSHD], Root::find());
    if let Some(need) = missing.first() {
        bail!("the demo needs {need}, which could not be installed: install it, or run this as root");
    }
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "deploy", "--", "demo"]).args(arguments);
    let status = command.status().context("can't start cargo")?;
    // A demo that was killed has no code of its own.
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
