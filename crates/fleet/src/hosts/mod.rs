//! Which hosts there are, and what holds for each once defaults, groups, ranges and exact names are merged.

mod merge;
mod range;
mod select;
mod selector;

pub(crate) use merge::{Host, resolve};
pub(crate) use select::{Candidate, Chooser};
