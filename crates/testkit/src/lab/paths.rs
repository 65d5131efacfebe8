//! Where everything of a lab is: all of it follows from the lab's id and a host's name.

use super::error::LabError;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the state of all labs is kept; gone after a reboot, like the labs.
pub(crate) const RUN: &str = "/run/snapback-lab";

/// Where the image and the hosts' disks are kept.
pub(crate) fn cache() -> PathBuf {
    env::var_os("SNAPBACK_LAB_CACHE").map_or_else(|| PathBuf::from("/var/cache/snapback-lab"), PathBuf::from)
}

/// The places of one lab.
#[derive(Clone, Debug)]
pub(crate) struct LabPaths {
    /// The lab's id.
    pub(crate) id: String,
    /// Its state: owner, list of hosts, the controller's home.
    pub(crate) state: PathBuf,
    /// Its hosts' disks, on a real file system.
    pub(crate) disks: PathBuf,
}

impl LabPaths {
    /// Names the places of the lab `id`.
    pub(crate) fn of(id: &str) -> Self {
        let state = Path::new(RUN).join("labs").join(id);
        // A sweeper may run with another cache folder than the owner did.
        let cache = fs::read_to_string(state.join("cache")).map_or_else(|_| cache(), PathBuf::from);
        Self { id: id.to_owned(), state, disks: cache.join("hosts").join(id) }
    }

    /// The controller's home folder.
    pub(crate) fn home(&self) -> PathBuf {
        self.state.join("home")
    }

    /// The controller's network namespace.
    pub(crate) fn controller_netns(&self) -> String {
        format!("{}controller", self.netns_prefix())
    }

    /// How the names of this lab's network namespaces begin; `+` can't be in a lab's id.
    pub(crate) fn netns_prefix(&self) -> String {
        format!("lab-{}+", self.id)
    }

    /// The places of one host.
    pub(crate) fn host(&self, name: &str) -> HostPaths {
        HostPaths { disk: self.disks.join(name), netns: format!("{}{name}", self.netns_prefix()) }
    }
}

/// The places of one host.
#[derive(Clone, Debug)]
pub(crate) struct HostPaths {
    /// What is kept of it: overlay layers, console, state disk.
    pub(crate) disk: PathBuf,
    /// Its network namespace.
    pub(crate) netns: String,
}

impl HostPaths {
    /// The host's root, mounted.
    pub(crate) fn root(&self) -> PathBuf {
        self.disk.join("root")
    }

    /// What the host printed while booting.
    pub(crate) fn console(&self) -> PathBuf {
        self.disk.join("console")
    }

    /// Is there if it is to have both versions of cgroups.
    pub(crate) fn both_cgroups(&self) -> PathBuf {
        self.disk.join("both-cgroups")
    }

    /// The image of a disk for its state.
    pub(crate) fn state_disk(&self) -> PathBuf {
        self.disk.join("state-disk")
    }
}

/// Refuses names that could not be a folder, a namespace and a host name at once.
pub(crate) fn check_name(name: &str) -> Result<(), LabError> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.is_empty() && name.len() <= 40 && name.chars().all(legal) && name != "controller" {
        return Ok(());
    }
    let reason = "names are 1 to 40 of a-z, 0-9 and `-`, and not `controller`".to_owned();
    Err(LabError::Name { name: name.to_owned(), reason })
}

/// Makes a folder and those above it.
pub(crate) fn make_dir(path: &Path) -> Result<(), LabError> {
    fs::create_dir_all(path).map_err(LabError::io(format!("can't make {}", path.display())))
}

/// Writes a file.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), LabError> {
    fs::write(path, content).map_err(LabError::io(format!("can't write {}", path.display())))
}

/// Reads a text file.
pub(crate) fn read(path: &Path) -> Result<String, LabError> {
    fs::read_to_string(path).map_err(LabError::io(format!("can't read {}", path.display())))
}
