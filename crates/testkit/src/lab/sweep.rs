//! Taking labs away, one's own and those whose owner died.

use super::cgroup::HostCgroup;
use super::disk::unmount_below;
use super::error::LabError;
use super::image::lock;
use super::network;
use super::paths::{LabPaths, RUN, make_dir};
use super::program::run;
use std::fs::{self, File};
use std::path::Path;

/// Says in a lab's `owner` file that nobody has to live for it.
pub(crate) const NOBODY: &str = "nobody";

/// Waits for the turn to make or take away labs.
pub(crate) fn turn() -> Result<File, LabError> {
    make_dir(&Path::new(RUN).join("labs"))?;
    lock(&Path::new(RUN).join("lock"))
}

/// Names this process so that no later one can be taken for it.
pub(crate) fn this_process() -> String {
    identity(std::process::id()).unwrap_or_default()
}

/// Takes away every lab whose owner is dead. To be called with the turn held.
pub(crate) fn sweep() -> Result<(), LabError> {
    for entry in fs::read_dir(Path::new(RUN).join("labs")).into_iter().flatten().flatten() {
        let owner = fs::read_to_string(entry.path().join("owner")).unwrap_or_default();
        if !is_alive(&owner) {
            destroy(&LabPaths::of(&entry.file_name().to_string_lossy()))?;
        }
    }
    Ok(())
}

/// Takes a lab away: processes, mounts, namespaces, folders.
pub(crate) fn destroy(lab: &LabPaths) -> Result<(), LabError> {
    let cgroup = HostCgroup::of(&lab.id, "")?;
    cgroup.kill()?;
    cgroup.remove();
    unmount_below(&lab.disks)?;
    network::remove(lab)?;
    // One file system only: if something is still mounted there, its content must not be deleted.
    run(&["rm", "-rf", "--one-file-system", &lab.disks.to_string_lossy()])?;
    run(&["rm", "-rf", "--one-file-system", &lab.state.to_string_lossy()])?;
    Ok(())
}

fn is_alive(owner: &str) -> bool {
    let pid = owner.split(' ').next().and_then(|pid| pid.parse().ok());
    owner == NOBODY || pid.and_then(identity).is_some_and(|identity| identity == owner)
}

/// Process id and start tick.
fn identity(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, a parenthesis too: fields are counted from the last one.
    let (_, fields) = stat.rsplit_once(") ")?;
    let tick = fields.split(' ').nth(19)?;
    Some(format!("{pid} {tick}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_living_from_the_dead() {
        assert!(is_alive(&this_process()));
        assert!(is_alive(NOBODY));
        let pid = std::process::id();
        assert!(!is_alive(&format!("{pid} 1")), "another process had this id before");
        assert!(!is_alive(""));
    }
}
