//! The few colours there are, and what they mean.

use console::Style;
use snapback_core::outcome::HostResult;

/// Colours text, or leaves it alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Palette {
    colour: bool,
}

/// What a piece of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing special.
    Plain,
    /// What a line is about.
    Heading,
    /// As wanted.
    Good,
    /// Something to look at.
    Notable,
    /// Failed.
    Bad,
    /// Of lesser weight.
    Faint,
    /// It tells of a result.
    Result(HostResult),
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

    /// Colours a piece of a line.
    pub(crate) fn tone(self, tone: Tone, text: &str) -> String {
        match tone {
            Tone::Plain => text.to_owned(),
            Tone::Heading => self.heading(text),
            Tone::Good => self.good(text),
            Tone::Notable => self.notable(text),
            Tone::Bad => self.bad(text),
            Tone::Faint => self.faint(text),
            Tone::Result(result) => self.result(result, text),
        }
    }

    fn paint(self, style: &Style, text: &str) -> String {
        style.clone().force_styling(self.colour).apply_to(text).to_string()
    }
}
