//! How the process ends.

use crate::faces::complain;
use snapback_core::outcome::ExitCode as Outcome;
use std::process::ExitCode;

/// An error of the user's, already worded; exit 2.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Turns what a command came to into the exit code. Anything unforeseen is told with its chain of causes.
pub(crate) fn leave(result: anyhow::Result<u8>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => match error.downcast_ref::<Usage>() {
            Some(usage) => {
                complain(&usage.0);
                ExitCode::from(Outcome::Usage as u8)
            }
            None => {
                complain(&format!("deploy: {error:#}"));
                ExitCode::from(Outcome::Failed as u8)
            }
        },
    }
}
