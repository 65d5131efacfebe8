//! What was injected where, and what did not hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

/// What one case did and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    struck: Vec<(String, String)>,
    violations: Vec<String>,
    brief: bool,
}

impl Case {
    /// Returns a case that must not take long: faults that only time mends are left out of it.
    #[must_use]
    pub fn brief() -> Self {
        Self { brief: true, ..Self::default() }
    }

    /// Returns whether it must not take long.
    #[must_use]
    pub fn is_brief(&self) -> bool {
        self.brief
    }

    /// Notes a fault that was injected, and the state of the lifecycle that it struck.
    pub fn strike(&mut self, state: &str, fault: &str) {
        self.struck.push((state.to_owned(), fault.to_owned()));
    }

    /// Notes a promise that did not hold.
    pub fn violate(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    /// Notes a promise that did not hold, unless it does.
    pub fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violate(what());
        }
    }

    /// Returns what was injected so far: state and fault.
    #[must_use]
    pub fn struck(&self) -> &[(String, String)] {
        &self.struck
    }

    /// Returns what did not hold.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.violations
    }
}

/// The sum of many cases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many cases there were.
    pub cases: u64,
    /// How many faults they injected.
    pub faults: u64,
    /// How long it took.
    pub took: Duration,
    /// Seeds of cases, and what did not hold in them.
    pub violations: Vec<(u64, Vec<String>)>,
    counts: BTreeMap<(String, String), u64>,
}

impl Tally {
    /// Adds a case.
    pub fn add(&mut self, seed: u64, case: Case) {
        self.cases += 1;
        self.faults += case.struck.len() as u64;
        for struck in case.struck {
            *self.counts.entry(struck).or_default() += 1;
        }
        if !case.violations.is_empty() {
            self.violations.push((seed, case.violations));
        }
    }

    /// Returns how many faults an hour of this brings.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate"
    )]
    pub fn an_hour(&self) -> u64 {
        (self.faults as f64 * 3600.0 / self.took.as_secs_f64().max(0.001)) as u64
    }

    /// Returns the table of faults by state, as Markdown: a row for each fault, a column for each state that is named.
    #[must_use]
    pub fn table(&self, states: &[&str]) -> String {
        let others: BTreeSet<&str> =
            self.counts.keys().map(|(state, _)| state.as_str()).filter(|s| !states.contains(s)).collect();
        let states: Vec<&str> = states.iter().copied().chain(others).collect();
        let mut text = format!("| fault | {} |\n|---|{}\n", states.join(" | "), "--:|".repeat(states.len()));
        let faults: BTreeSet<&str> = self.counts.keys().map(|(_, fault)| fault.as_str()).collect();
        for fault in faults {
            let count = |state: &&str| self.counts.get(&((*state).to_owned(), fault.to_owned())).copied();
            let cells: Vec<String> =
                states.iter().map(|s| count(s).map_or_else(|| "-".to_owned(), |n| n.to_string())).collect();
            let _ = writeln!(text, "| {fault} | {} |", cells.join(" | "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_shown_by_state_and_fault() {
        let mut tally = Tally { took: Duration::from_secs(36), ..Tally::default() };
        let mut case = Case::default();
        case.strike("ready", "reboot");
        case.strike("ready", "reboot");
        case.strike("armed", "line cut");
        case.expect(1 > 2, || "no".to_owned());
        tally.add(7, case);
        assert_eq!((tally.faults, tally.an_hour()), (3, 300));
        assert_eq!(tally.violations, [(7, vec!["no".to_owned()])]);
        let table = "| fault | ready | armed |\n|---|--:|--:|\n| line cut | - | 1 |\n| reboot | 2 | - |\n";
        assert_eq!(tally.table(&["ready"]), table);
    }
}
