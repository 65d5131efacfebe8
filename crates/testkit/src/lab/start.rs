//! A host that doesn't exist yet.

use super::cgroup::ensure_old_freezer;
use super::disk;
use super::error::LabError;
use super::host::LabHost;
use super::keys;
use super::kind::HostKind;
use super::network;
use super::paths::{check_name, write};
use super::world::Lab;

/// What a host is to be like; [`HostPlan::boot`] makes it.
#[derive(Debug)]
#[must_use = "a plan does nothing until `boot` is called"]
pub struct HostPlan<'lab> {
    lab: &'lab Lab,
    name: String,
    kind: HostKind,
    state_disk: Option<StateDisk>,
    both_cgroups: bool,
}

/// A disk of its own for a host's state, and what bounds it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StateDisk {
    /// It has so many megabytes.
    Small(u32),
    /// It has room enough, and a quota of so many megabytes, which binds root as well.
    Quota(u32),
}

impl<'lab> HostPlan<'lab> {
    /// Plans a plain host.
    pub(crate) fn new(lab: &'lab Lab, name: &str) -> Self {
        Self { lab, name: name.to_owned(), kind: HostKind::Plain, state_disk: None, both_cgroups: false }
    }

    /// Sets what it runs as PID 1.
    pub fn kind(mut self, kind: HostKind) -> Self {
        self.kind = kind;
        self
    }

    /// Gives a systemd host both versions of cgroups, as distributions of some years ago had them.
    pub fn both_cgroups(mut self) -> Self {
        self.both_cgroups = true;
        self
    }

    /// Puts `/var/lib/snapback` on a disk of its own, of this many megabytes.
    pub fn small_state_disk(mut self, megabytes: u32) -> Self {
        self.state_disk = Some(StateDisk::Small(megabytes));
        self
    }

    /// Puts `/var/lib/snapback` on a disk of its own with a quota of this many megabytes, which binds root as well.
    pub fn state_quota(mut self, megabytes: u32) -> Self {
        self.state_disk = Some(StateDisk::Quota(megabytes));
        self
    }

    /// Makes the host, boots it, and returns once its sshd answers.
    pub fn boot(self) -> Result<LabHost, LabError> {
        check_name(&self.name)?;
        let index = self.lab.reserve(&self.name, self.kind)?;
        let (lab, paths) = (self.lab.paths(), self.lab.paths().host(&self.name));
        disk::mount_root(&paths, &self.name, self.kind)?;
        match self.kind {
            HostKind::Plain => disk::hand_power_to_busybox(&paths)?,
            HostKind::OpenRc | HostKind::Sysvinit => network::describe(&paths, index)?,
            HostKind::Systemd | HostKind::OpenWrt => {}
        }
        if self.both_cgroups {
            ensure_old_freezer()?;
            write(&paths.both_cgroups(), "")?;
        }
        if let Some(state) = self.state_disk {
            disk::mount_state_disk(&paths, state)?;
        }
        keys::install(lab, &paths.root())?;
        network::plug_in(lab, &paths, index)?;
        self.lab.publish()?;
        let host = LabHost::of(lab, &self.name, index, self.kind)?;
        host.boot()?;
        Ok(host)
    }
}
