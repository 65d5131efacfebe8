//! Tests on real hosts: namespaces with a root of their own, real sshd, real systemd. They need root.
#![allow(clippy::unwrap_used, reason = "what can't be unwrapped here has failed")]
#![allow(clippy::print_stdout, reason = "what was measured is shown by --nocapture")]

mod e2e_batch;
mod e2e_become;
mod e2e_daemon;
mod e2e_disk;
mod e2e_fresh;
mod e2e_guard;
mod e2e_happy;
mod e2e_lockout;
mod e2e_moves;
mod e2e_places;
mod e2e_power;
mod e2e_refused;
mod e2e_rescue;
mod e2e_resort;
mod e2e_rollout;
mod e2e_room;
mod e2e_stage;
mod e2e_targets;
mod e2e_together;
mod e2e_traces;
mod e2e_undone;
mod e2e_window;
mod faults;
mod network;
mod power;
mod roots;
mod ways_in;
