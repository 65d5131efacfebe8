//! Runs over many simulated hosts: batches, budgets, bakes, gates, and what is kept of them.
#![allow(clippy::unwrap_used, reason = "a test that can't go on shall stop")]

mod crashed;
mod held;
mod random;
mod resumed;
mod scale;
mod scope;
mod staged;
mod theatre;
mod together;
