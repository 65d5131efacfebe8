//! Whole machines, for what hosts that share a kernel can't show: a clock of their own, suspend, a kernel that
//! panics, and writes that are lost because nobody synced them.
//!
//! A machine is a qemu without acceleration, so that it runs wherever the lab does. It boots the lab's systemd tree
//! from an ext4 file system in about ten seconds. It is reached through a port on loopback.

mod image;
mod machine;

pub use image::ensure_vm_image;
pub use machine::Vm;
