//! The engine against hosts that follow a script: what it makes of answers, silences and lost lines. No ssh, and a
//! clock that jumps.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails panics")]

mod despite;
mod host;
mod local;
mod moving;
mod proof;
mod stage;
mod undone;
