//! Commands of a controller that was killed: they may live on, and must be gone before anything is undone.

use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::time::Duration;
use tokio::time::sleep;

/// How often it is looked again: one may just be starting another.
const ROUNDS: u32 = 100;

/// Kills every process of the step that writes to this file, and waits until all are gone. Returns whether they are.
/// Where there is no `/proc`, nothing is known of them.
pub(super) async fn end(output: &Path) -> bool {
    let mark = format!("DEPLOY_OUTPUT={}", output.display());
    for _ in 0..ROUNDS {
        let left = all_with(mark.as_bytes());
        if left.is_empty() {
            return true;
        }
        for process in left {
            // It can only fail when it has ended.
            let _ = kill_process(process, Signal::KILL);
        }
        sleep(Duration::from_millis(50)).await;
    }
    false
}

/// The processes that have this line in their environment; never ourselves.
fn all_with(mark: &[u8]) -> Vec<Pid> {
    let ours = std::process::id().to_string();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| *name != ours);
    let holds = |pid: &String| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|line| line == mark)
    };
    named.filter(holds).filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}
