//! Running the machine's own programs.

use super::error::LabError;
use std::io::{ErrorKind, Write};
use std::process::{Command, Output, Stdio};

/// Runs a program and returns what it printed; any ending but success is an error.
pub(crate) fn run(argv: &[&str]) -> Result<String, LabError> {
    run_with_input(argv, "")
}

/// Runs a program that reads `input`.
pub(crate) fn run_with_input(argv: &[&str], input: &str) -> Result<String, LabError> {
    let mut command = Command::new(argv[0]);
    command.args(&argv[1..]);
    let output = output_of(command, input.as_bytes())?;
    if !output.status.success() {
        return Err(LabError::failed(argv.join(" "), &output));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command that reads `input`, and collects its output.
pub(crate) fn output_of(mut command: Command, input: &[u8]) -> Result<Output, LabError> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => LabError::Missing { program: program.clone() },
        _ => LabError::io(format!("can't start {program}"))(error),
    })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program may end without reading everything; its exit code says whether that was fine.
        let _ = stdin.write_all(input);
    }
    child.wait_with_output().map_err(LabError::io(format!("can't wait for {program}")))
}
