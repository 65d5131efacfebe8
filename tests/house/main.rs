//! Rules of the house that no compiler checks: who may depend on whom, how big things may get, what they may
//! be called, and that no test file is forgotten.
#![allow(clippy::unwrap_used, reason = "what can't be unwrapped here has failed")]

mod arrows;
mod names;
mod sizes;
mod source;
mod test_files;
