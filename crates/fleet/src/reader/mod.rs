//! Reads typed values out of a parsed TOML text, taking every problem down instead of stopping at the first.

mod command;
mod table;
mod value;

pub(crate) use command::RawCommand;
pub(crate) use table::{Table, is_users};
pub use value::parse_duration;
pub(crate) use value::{Value, VarValue, written};

use crate::place::{Place, Source};
use crate::problem::{Problem, Report};
use std::ops::Range;
use std::sync::Arc;

/// The text that is being read, and where its problems go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    /// The text.
    pub(crate) source: &'a Arc<Source>,
    /// Where problems go.
    pub(crate) report: &'a Report,
}

impl Reading<'_> {
    /// Returns a place in the text.
    pub(crate) fn place(&self, range: Range<usize>) -> Place {
        Place::new(self.source, range)
    }

    /// Takes a problem down.
    pub(crate) fn complain(&self, problem: Problem) {
        self.report.add(problem);
    }
}
