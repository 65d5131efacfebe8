//! Looking for what a demo left.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long what was told to end may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// The demo's folder, as its output names it.
pub(crate) fn folder_in(output: &str) -> PathBuf {
    let (_, rest) = output.split_once("All they have is in ").expect("the demo says where its folder is");
    PathBuf::from(rest.split_once(';').unwrap().0)
}

/// Asserts that neither the folder nor a process that knows it is left.
pub(crate) fn assert_nothing_left_of(folder: &Path) {
    let until = Instant::now() + PATIENCE;
    loop {
        let left = processes_of(folder);
        if left.is_empty() && !folder.exists() {
            return;
        }
        let there = folder.exists();
        assert!(Instant::now() < until, "left of the demo: its folder: {there}; processes: {left:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Processes that hold the folder's name or a file in it.
fn processes_of(folder: &Path) -> Vec<String> {
    let name = folder.to_str().unwrap();
    let pids = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let pids = pids.filter(|path| path.file_name().unwrap().to_string_lossy().parse::<u32>().is_ok());
    pids.filter_map(|process| {
        let text = |file: &str| {
            String::from_utf8_lossy(&fs::read(process.join(file)).unwrap_or_default()).replace('\0', " ")
        };
        let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let holds = open.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|to| to.starts_with(name));
        let knows = text("cmdline").contains(name) || text("environ").contains(name);
        (holds || knows).then(|| format!("{} {}", process.display(), text("cmdline")))
    })
    .collect()
}
