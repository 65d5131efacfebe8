//! What a stage has started and what may outlive its test: guards, steps, and ssh processes.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::Path;

/// Returns the processes whose environment or command line names a folder; never ourselves.
pub(crate) fn all_below(dir: &Path) -> Vec<Pid> {
    let name = format!("{}/", dir.display());
    let holds = |bytes: Vec<u8>| bytes.windows(name.len()).any(|window| window == name.as_bytes());
    let names = |pid: &i32| {
        ["environ", "cmdline"].iter().any(|file| fs::read(format!("/proc/{pid}/{file}")).is_ok_and(holds))
    };
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    let ours = i32::try_from(std::process::id()).unwrap();
    pids.filter(|pid| *pid != ours).filter(names).map(Pid::from_raw).collect()
}

/// Kills them, again until none is left: one may just be starting another.
pub(super) fn kill_all_below(dir: &Path) {
    for _ in 0..20 {
        let left = all_below(dir);
        if left.is_empty() {
            return;
        }
        for pid in left {
            // An error means that it has ended.
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}
