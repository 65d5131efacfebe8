//! How every step ended.

use super::tally::Tally;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As it should.
    Passed,
    /// Otherwise, and why.
    Failed(String),
    /// It was not tried, and why.
    LeftOut(String),
}

#[derive(Debug)]
struct Step {
    name: &'static str,
    end: End,
    took: Duration,
}

/// All steps so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    steps: Vec<Step>,
    tally: Tally,
}

impl Report {
    /// Runs a step.
    pub(crate) fn step(&mut self, name: &'static str, run: impl FnOnce() -> End) {
        println!("\n== {name}");
        let begun = Instant::now();
        let end = run();
        self.steps.push(Step { name, end, took: begun.elapsed() });
    }

    /// Runs a step that counts tests. One that failed before a test could fail counts as one failure.
    pub(crate) fn tests(&mut self, name: &'static str, run: impl FnOnce(&mut Tally) -> End) {
        let mut tally = Tally::default();
        self.step(name, || run(&mut tally));
        let broke = self.steps.last().is_some_and(|step| matches!(step.end, End::Failed(_)));
        if broke && tally.failed == 0 {
            tally.failed = 1;
        }
        self.tally.add(&tally);
    }

    /// Notes a step that can't be run here.
    pub(crate) fn leave_out(&mut self, name: &'static str, reason: &str) {
        self.steps.push(Step { name, end: End::LeftOut(reason.to_owned()), took: Duration::ZERO });
    }

    /// Prints everything and decides; where nothing may be left out, that is a failure.
    pub(crate) fn print(&self, nothing_left_out: bool) -> ExitCode {
        println!();
        for step in &self.steps {
            println!("{}", line(step));
        }
        let left_out = self.steps.iter().filter(|step| matches!(step.end, End::LeftOut(_)));
        for step in left_out {
            let weight = if nothing_left_out { ", and with CI=true that is a failure" } else { "" };
            println!(
                "\nWARNING: `{}` WAS LEFT OUT{weight}: what it would have shown is not known.",
                step.name
            );
        }
        println!("\n{} passed, {} failed", self.tally.passed, self.tally.failed);
        if self.is_success(nothing_left_out) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn is_success(&self, nothing_left_out: bool) -> bool {
        self.steps.iter().all(|step| match step.end {
            End::Passed => true,
            End::Failed(_) => false,
            End::LeftOut(_) => !nothing_left_out,
        })
    }
}

fn line(step: &Step) -> String {
    let (word, reason) = match &step.end {
        End::Passed => ("passed", String::new()),
        End::Failed(reason) => ("FAILED", format!("  {reason}")),
        End::LeftOut(reason) => ("LEFT OUT", format!("  {reason}")),
    };
    format!("{:<14} {word:<8} {:>6.1} s{reason}", step.name, step.took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_a_failure_only_where_nothing_may_be() {
        let mut report = Report::default();
        report.step("one", || End::Passed);
        assert!(report.is_success(true));
        report.leave_out("two", "no root");
        assert!(report.is_success(false) && !report.is_success(true));
        report.step("three", || End::Failed("broken".into()));
        assert!(!report.is_success(false));
    }

    #[test]
    fn tests_that_could_not_be_built_are_not_zero_failures() {
        let mut report = Report::default();
        report.tests("tests", |_| End::Failed("does not compile".into()));
        assert_eq!(report.tally.failed, 1);
    }
}
