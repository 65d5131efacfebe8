//! The few colours there are, and what they mean.

use console::Style;
use snapback_core::outcome::HostResult;

/// Colours text, or leaves it alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Palette {
    colour: bool,
}

impl Palette {
    /// Returns a palette. The caller decides about colour: nothing here asks the environment.
    pub(crate) fn new(colour: bool) -> Self {
        Self { colour }
    }

    /// As wanted, or about to be added.
    pub(crate) fn good(self, text: &str) -> String {
        self.paint(&Style::new().green(), text)
    }

    /// Failed, or about to be lost.
    pub(crate) fn bad(self, text: &str) -> String {
        self.paint(&Style::new().red().bold(), text)
    }

    /// A line that goes away in a diff.
    pub(crate) fn removed(self, text: &str) -> String {
        self.paint(&Style::new().red(), text)
    }

    /// Something to look at.
    pub(crate) fn notable(self, text: &str) -> String {
        self.paint(&Style::new().yellow(), text)
    }

    /// What a block is about.
    pub(crate) fn heading(self, text: &str) -> String {
        self.paint(&Style::new().bold(), text)
    }

    /// Of lesser weight.
    pub(crate) fn faint(self, text: &str) -> String {
        self.paint(&Style::new().dim(), text)
    }

    /// Colours a text that tells of a result.
    pub(crate) fn result(self, result: HostResult, text: &str) -> String {
        match result {
            HostResult::Confirmed => self.good(text),
            HostResult::Unchanged | HostResult::Skipped => self.faint(text),
            HostResult::NotReached | HostResult::Unreachable => self.notable(text),
            HostResult::Refused
            | HostResult::RolledBack
            | HostResult::Unknown
            | HostResult::RollbackFailed => self.bad(text),
        }
    }

    fn paint(self, style: &Style, text: &str) -> String {
        style.clone().force_styling(self.colour).apply_to(text).to_string()
    }
}
