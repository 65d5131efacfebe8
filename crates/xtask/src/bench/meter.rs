//! Time, CPU and memory of the controller.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// What one run took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    /// Seconds on the clock.
    pub(crate) wall: f64,
    /// Seconds of CPU on the controller: user and system, of every program that was started and waited for.
    pub(crate) cpu: f64,
    /// Seconds of CPU on all hosts together, their sshd included.
    pub(crate) hosts_cpu: f64,
}

/// Runs something and says what it took; `stats` are the hosts' `cpu.stat` (cgroups(7)).
///
/// What ends on a host only after the run, as its guard's tidying up does, is waited for: it is somebody's time.
pub(crate) fn measure<T>(stats: &[PathBuf], run: impl FnOnce() -> T) -> (T, Reading) {
    let (cpu, hosts, begun) = (children_cpu(), hosts_cpu(stats), Instant::now());
    let result = run();
    let wall = begun.elapsed().as_secs_f64();
    let cpu = children_cpu() - cpu;
    if !stats.is_empty() {
        sleep(Duration::from_secs(1));
    }
    (result, Reading { wall, cpu, hosts_cpu: hosts_cpu(stats) - hosts })
}

fn hosts_cpu(stats: &[PathBuf]) -> f64 {
    let used = |path: &PathBuf| -> Option<u64> {
        fs::read_to_string(path).ok()?.lines().find_map(|line| line.strip_prefix("usage_usec "))?.parse().ok()
    };
    Duration::from_micros(stats.iter().filter_map(used).sum()).as_secs_f64()
}

/// Runs something and says how much memory the programs it started had at most, all together, in bytes.
/// Shared pages are counted once (PSS).
pub(crate) fn peak_memory<T>(run: impl FnOnce() -> T) -> (T, u64) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut peak = 0;
            while !done.load(Ordering::Relaxed) {
                peak = peak.max(descendants().into_iter().map(proportional_size).sum());
                sleep(Duration::from_millis(10));
            }
            peak
        });
        let result = run();
        done.store(true, Ordering::Relaxed);
        (result, sampler.join().unwrap_or(0))
    })
}

fn children_cpu() -> f64 {
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0.0, |usage| {
        let total = usage.user_time() + usage.system_time();
        Duration::from_micros(u64::try_from(total.num_microseconds()).unwrap_or(0)).as_secs_f64()
    })
}

/// The processes below this one.
fn descendants() -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit_once(") ").and_then(|(_, fields)| fields.split(' ').nth(1)?.parse().ok());
        children.entry(parent.unwrap_or(0)).or_default().push(pid);
    }
    let mut found = Vec::new();
    let mut waiting = vec![std::process::id()];
    while let Some(pid) = waiting.pop() {
        let below = children.remove(&pid).unwrap_or_default();
        waiting.extend(&below);
        found.extend(below);
    }
    found
}

fn proportional_size(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().map_or(0, |kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn sees_the_cpu_and_the_memory_of_a_child() {
        let busy =
            || Command::new("sh").args(["-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"]).status();
        let (status, reading) = measure(&[], busy);
        assert!(status.unwrap().success());
        assert!(reading.cpu > 0.02 && reading.wall > 0.02, "{reading:?}");
        let (_, peak) = peak_memory(|| Command::new("sleep").arg("0.2").status());
        assert!(peak > 50_000, "{peak}");
    }
}
