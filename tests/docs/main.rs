//! The pages say what the product does: generated tables, examples that load, links that lead somewhere, commands and
//! tests that exist.
#![allow(clippy::unwrap_used, reason = "what can't be unwrapped here has failed")]

mod commands;
mod failure_modes;
mod fleet_files;
mod links;
mod pages;
mod snapshots;
mod tables;
