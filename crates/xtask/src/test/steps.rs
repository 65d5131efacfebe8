//! The steps of a full check.

use super::report::End;
use super::tally::Tally;
use crate::machine::{Root, cargo, has};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// Where our shell is.
const SHELL: &[&str] =
    &["agent-scripts", "crates/testkit/src/lab/shell", "crates/testkit/src/vm/shell", "tests"];

/// Checks the form of the Rust.
pub(crate) fn format() -> End {
    finish(cargo().args(["fmt", "--all", "--check"]))
}

/// Runs clippy, on the lab tests too.
pub(crate) fn clippy() -> End {
    let flags =
        ["clippy", "--workspace", "--all-targets", "--features", "deploy/lab", "--", "-D", "warnings"];
    finish(cargo().args(flags))
}

/// Builds the documentation, which must not have a dead link.
pub(crate) fn documentation() -> End {
    finish(cargo().args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"))
}

/// Runs shellcheck on every shell file, as strict POSIX.
pub(crate) fn shellcheck() -> End {
    if !has("shellcheck") {
        return End::Failed("shellcheck is missing".to_owned());
    }
    let files: Vec<PathBuf> = SHELL.iter().flat_map(|folder| shell_files(Path::new(folder))).collect();
    println!("{} files", files.len());
    finish(Command::new("shellcheck").args(["-s", "sh"]).args(files))
}

/// Runs the tests that need no root.
pub(crate) fn tests(tally: &mut Tally) -> End {
    let mut command = cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]);
    counted(command.env("RUST_TEST_THREADS", waiting_threads()), tally)
}

/// Builds the trees that the lab's hosts share.
pub(crate) fn lab_image(root: Root) -> End {
    println!("The first time, this downloads and builds Debian trees: about a minute and a half.");
    let Ok(xtask) = std::env::current_exe() else {
        return End::Failed("can't find this very program".to_owned());
    };
    finish(root.command(&xtask.to_string_lossy()).args(["lab", "images"]).stdout(Stdio::null()))
}

/// Runs the tests on the lab's hosts, some at a time: each boots hosts of its own.
pub(crate) fn lab_tests(root: Root, tally: &mut Tally) -> End {
    as_root(root, "lab", &waiting_threads(), tally)
}

/// Most tests wait for a window to end or a process to go, so more of them run than there are processors.
fn waiting_threads() -> String {
    (2 * thread::available_parallelism().map_or(1, usize::from)).min(8).to_string()
}

/// Runs the tests on whole machines, two at a time: an emulated processor takes a real one.
pub(crate) fn vm_tests(root: Root, tally: &mut Tally) -> End {
    as_root(root, "vm", "2", tally)
}

fn as_root(root: Root, test: &str, threads: &str, tally: &mut Tally) -> End {
    let mut command = cargo();
    command.args(["test", "--package", "deploy", "--features", "lab", "--test", test, "--no-fail-fast"]);
    if root == Root::BySudo {
        // Only the tests run as root: what is built stays the user's.
        command.args(["--config", r#"target."cfg(all())".runner = ["sudo", "-n", "--preserve-env"]"#]);
    }
    counted(command.args(["--", "--test-threads", threads]), tally)
}

fn finish(command: &mut Command) -> End {
    match command.status() {
        Ok(status) if status.success() => End::Passed,
        Ok(status) => End::Failed(status.to_string()),
        Err(error) => End::Failed(format!("{}: {error}", command.get_program().display())),
    }
}

/// Runs tests, shows what they print, and counts.
fn counted(command: &mut Command, tally: &mut Tally) -> End {
    let mut child = match command.stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => return End::Failed(error.to_string()),
    };
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            tally.read(&line);
        }
    }
    match child.wait() {
        Ok(status) if status.success() && tally.passed == 0 => End::Failed("no test ran at all".to_owned()),
        Ok(status) if status.success() => End::Passed,
        Ok(_) if tally.failed > 0 => End::Failed(format!("{} tests failed", tally.failed)),
        Ok(status) => End::Failed(status.to_string()),
        Err(error) => End::Failed(error.to_string()),
    }
}

fn shell_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(shell_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "sh") {
            found.push(path);
        }
    }
    found.sort();
    found
}
