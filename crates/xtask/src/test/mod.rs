//! `cargo xtask test`: everything there is to check, and a loud word about what was left out.

mod report;
mod steps;
mod tally;

use crate::machine::{Root, is_ci};
use crate::packages::{LAB, SSHD, TESTS, install};
use anyhow::Result;
use report::{End, Report};
use std::process::ExitCode;

/// Installs what is needed and runs everything.
pub(crate) fn run() -> Result<ExitCode> {
    // Whatever folder this was called from.
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))?;
    let root = Root::find();
    let mut report = Report::default();
    report.step("packages", || {
        let needs: &[&[_]] = if root == Root::No { &[SSHD, TESTS] } else { &[SSHD, TESTS, LAB] };
        let missing: Vec<String> = install(needs, root).iter().map(ToString::to_string).collect();
        match missing.as_slice() {
            [] => End::Passed,
            missing => End::Failed(format!("missing: {}", missing.join(", "))),
        }
    });
    report.step("format", steps::format);
    report.step("clippy", steps::clippy);
    report.step("documentation", steps::documentation);
    report.step("shellcheck", steps::shellcheck);
    report.tests("tests", steps::tests);
    if root == Root::No {
        report.leave_out("lab", "it needs root, or sudo without a password");
    } else {
        report.step("lab image", || steps::lab_image(root));
        report.tests("lab", |tally| steps::lab_tests(root, tally));
        report.tests("machines", |tally| steps::vm_tests(root, tally));
    }
    Ok(report.print(is_ci()))
}
