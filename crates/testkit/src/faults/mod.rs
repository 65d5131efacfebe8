//! Faults by the thousand: cases drawn from a seed, counted by state and fault, judged by invariants.
//!
//! A [`Campaign`] is a row of cases, one for each seed from the first on. A case injects some faults, tells each in
//! its [`Case`], and notes there what was promised and did not hold. The same seed makes the same case again, so a
//! violation is told as the one command that repeats it. [`model`] is the target that the process level plays against.

mod campaign;
pub mod model;
mod record;
mod tally;

pub use campaign::{Bound, Campaign};
pub use fastrand::Rng;
pub use record::{Tamper, leave_old_record};
pub use tally::{Case, Tally};
