//! The `deploy` command, given wrong input: it says what is wrong, exits 2, and contacts nobody.
#![allow(clippy::unwrap_used, reason = "what can't be unwrapped here has failed")]

mod arguments;
mod desk;
mod fleet_file;
mod init;
