//! The lab: hosts as network namespaces with a root of their own, on this machine, as root.
//!
//! A [`Lab`] is a controller's network namespace with a bridge in it; every [`LabHost`] hangs on that bridge.
//! Nothing of a lab can be seen from the machine's own network, and labs can't see each other, so any number
//! of them run side by side. A host's root is an overlay on a Debian tree that is built once and kept.
//!
//! [`HostKind::Plain`] has busybox as PID 1 and starts in a tenth of a second; [`HostKind::Systemd`] boots a real
//! systemd in systemd-nspawn, under a unified cgroup hierarchy. [`HostKind::OpenRc`], [`HostKind::Sysvinit`] and
//! [`HostKind::OpenWrt`] boot these in the plain host's namespaces, each from a tree of its own.
//!
//! Everything is found again from the lab's name (cgroup, namespaces, mounts, folders), so a lab whose owner
//! was killed is swept away by the next one that starts.
//!
//! Tests start with [`Lab::new`]. What the lab can't do: set a clock (all hosts share the machine's, and nothing
//! in them has the right to set it), and lose what was written but not synced (a power cut kills every process;
//! the page cache is the machine's).

mod cgroup;
mod condition;
mod digest;
mod disk;
mod error;
mod exec;
mod host;
mod image;
mod keys;
mod kind;
mod mirror;
mod network;
mod paths;
mod program;
mod start;
mod sweep;
mod world;

pub use condition::Condition;
pub use digest::TreeDigest;
pub use error::LabError;
pub use exec::Ran;
pub use host::LabHost;
pub use image::ensure_images;
pub(crate) use image::{ensure_image, lock};
pub use kind::HostKind;
pub(crate) use paths::{cache, make_dir};
pub(crate) use program::run;
pub use start::HostPlan;
pub use world::Lab;
