//! The life of a host in a run, as one pure function.
//!
//! The engine's `select!` only names what happened (an [`Input`]); [`step`] decides; the loop obeys. The whole
//! table can be walked without a runtime or a clock, and the tests here do walk it. See `docs/lifecycle.md`.

mod input;
mod state;
mod step;
mod table;

pub use input::{ALL as ALL_INPUTS, Input};
pub use state::{ALL as ALL_STATES, State};
pub use step::{IllegalInput, step};
pub use table::markdown;
