//! A cgroup for each host: the handle by which all its processes are killed or frozen at once.

use super::error::LabError;
use super::paths::{RUN, make_dir, read, write};
use super::program::run;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The cgroup of a host; its processes are in `payload` below it, what started them is in it.
#[derive(Clone, Debug)]
pub(crate) struct HostCgroup {
    path: PathBuf,
    /// The same, from the lab's name on.
    own: PathBuf,
}

impl HostCgroup {
    /// Names the cgroup of a host; with `host` empty, that of the whole lab.
    pub(crate) fn of(lab: &str, host: &str) -> Result<Self, LabError> {
        let own = Path::new(lab).join(host);
        Ok(Self { path: hierarchy()?.join("snapback-lab").join(&own), own })
    }

    /// Makes it.
    pub(crate) fn create(&self) -> Result<(), LabError> {
        make_dir(&self.path)
    }

    /// The folder that stands for it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file in which the kernel counts the CPU time of its processes.
    pub(crate) fn cpu_stat(&self) -> PathBuf {
        self.path.join("cpu.stat")
    }

    /// The cgroup that the host itself sees as `/`.
    pub(crate) fn payload(&self) -> PathBuf {
        self.path.join("payload")
    }

    /// Kills every process in it with SIGKILL, in one step of the kernel's, and waits until they are gone.
    pub(crate) fn kill(&self) -> Result<(), LabError> {
        if !self.path.exists() {
            return Ok(());
        }
        write(&self.path.join("cgroup.kill"), "1")?;
        // What the old freezer holds dies only once it is let go.
        let frozen = old_freezer().map(|freezer| freezer.join("snapback-lab").join(&self.own));
        frozen.iter().for_each(|own| thaw_below(own));
        let end = Instant::now() + Duration::from_secs(10);
        while self.is_populated()? {
            if Instant::now() > end {
                let what = "the end of all its processes".to_owned();
                let host = self.path.display().to_string();
                return Err(LabError::Late { host, what, seconds: 10, console: String::new() });
            }
            sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Tells whether a process lives in it.
    pub(crate) fn is_populated(&self) -> Result<bool, LabError> {
        let events = self.path.join("cgroup.events");
        Ok(events.exists() && read(&events)?.contains("populated 1"))
    }

    /// Removes it and everything below; what a host had in the old trees, too, where the machine has those mounted.
    pub(crate) fn remove(&self) {
        remove_tree(&self.path);
        let old = [Some(PathBuf::from("/sys/fs/cgroup/systemd")), old_freezer()];
        old.iter().flatten().for_each(|tree| remove_tree(&tree.join("snapback-lab").join(&self.own)));
    }

    /// The machine's id of the host's PID 1.
    pub(crate) fn first_process(&self) -> Option<u32> {
        processes_below(&self.payload()).into_iter().find(|pid| is_first_of_its_namespace(*pid))
    }
}

/// Stops (`true`) or continues every process of a cgroup.
pub(crate) fn set_frozen(cgroup: &Path, frozen: bool) -> Result<(), LabError> {
    write(&cgroup.join("cgroup.freeze"), if frozen { "1" } else { "0" })?;
    let wanted = if frozen { "frozen 1" } else { "frozen 0" };
    let end = Instant::now() + Duration::from_secs(5);
    while !read(&cgroup.join("cgroup.events"))?.contains(wanted) && Instant::now() < end {
        sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Where the unified hierarchy is mounted; mounts it when the machine only has the old ones.
fn hierarchy() -> Result<PathBuf, LabError> {
    let mounts = read(Path::new("/proc/self/mounts"))?;
    let unified = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    if let Some(mount) = unified.into_iter().find(|fields| fields.get(2) == Some(&"cgroup2")) {
        return Ok(PathBuf::from(mount[1]));
    }
    let own = Path::new(RUN).join("cgroup");
    make_dir(&own)?;
    run(&["mount", "-t", "cgroup2", "cgroup2", &own.to_string_lossy()])?;
    Ok(own)
}

/// Where the freezer of cgroups' first version is mounted.
fn old_freezer() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find_map(|fields| match fields[..] {
        [_, at, "cgroup", options, ..] if options.split(',').any(|o| o == "freezer") => Some(at.into()),
        _ => None,
    })
}

/// Mounts it where the machine doesn't have it, so that what it holds can be let go.
pub(crate) fn ensure_old_freezer() -> Result<(), LabError> {
    if old_freezer().is_some() {
        return Ok(());
    }
    let own = Path::new(RUN).join("freezer");
    make_dir(&own)?;
    run(&["mount", "-t", "cgroup", "-o", "freezer", "cgroup", &own.to_string_lossy()]).map(drop)
}

fn thaw_below(cgroup: &Path) {
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            thaw_below(&entry.path());
        }
    }
    let _ = fs::write(cgroup.join("freezer.state"), "THAWED");
}

fn remove_tree(cgroup: &Path) {
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_tree(&entry.path());
        }
    }
    // The kernel refuses while a process is dying in it; an empty cgroup left behind harms nobody.
    let _ = fs::remove_dir(cgroup);
}

fn processes_below(cgroup: &Path) -> Vec<u32> {
    let own = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    let mut found: Vec<u32> = own.lines().filter_map(|pid| pid.parse().ok()).collect();
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(processes_below(&entry.path()));
        }
    }
    found
}

fn is_first_of_its_namespace(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    let ids: Vec<&str> = ids.split_whitespace().collect();
    ids.len() > 1 && ids.last() == Some(&"1")
}
