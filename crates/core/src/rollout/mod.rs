//! A staged rollout: in which batches the hosts of a run are worked on, how many may fail, and what comes next.
//!
//! [`Course`] is worked out before anything is contacted: plain data. [`step`] is the one function that decides
//! where a rollout goes; whoever drives it does what the [`Stage`] says and names what happened as an [`Input`].

mod batch;
mod budget;
mod course;
mod jump;
mod pact;
mod scope;
mod stage;
mod together;

pub use batch::{Batch, BatchKind, Sequence, Share, kept_apart, sequence};
pub use budget::{Budget, Threshold};
pub use course::{ConfirmScope, Course, GATE_TIMEOUT, StopAfter, Unreachable};
pub use jump::{JumpHosts, jumps_of, names_of};
pub use pact::{Found, IllegalPactInput, Pact, PactInput, keeps_promise};
pub use scope::{RollbackScope, is_stopped_by_failures};
pub use stage::{Ending, IllegalInput, Input, Stage, step};
pub use together::{LEAST_LEFT, THROUGH_ONE_JUMP_HOST, Together, kept_for_decisions};
