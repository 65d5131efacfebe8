//! The `deploy` command, end to end: against real sshds on loopback, as whoever runs the tests, with nothing of this
//! machine touched.
#![allow(clippy::unwrap_used, reason = "what can't be unwrapped here has failed")]

mod back;
mod batches;
mod checks;
mod clock;
mod failures;
mod flood;
mod fresh;
mod hands;
mod happy;
mod held;
mod hooks;
mod interrupt;
mod killed;
mod line;
mod local;
mod lockout;
mod many;
mod noise;
mod output;
mod password;
mod person;
mod plan;
mod proof;
mod secrets;
mod stage;
mod undone;
mod ways;
