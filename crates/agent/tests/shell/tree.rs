//! What a tree looks like, down to nanoseconds and extended attributes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

/// Everything about each path below a root, in words.
pub fn look(root: &str) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    walk(Path::new(root), &mut seen);
    seen.insert("attributes".to_owned(), attributes(root));
    seen
}

fn walk(path: &Path, seen: &mut BTreeMap<String, String>) {
    let meta = fs::symlink_metadata(path).unwrap();
    let what = if meta.is_symlink() {
        format!("-> {}", fs::read_link(path).unwrap().display())
    } else if meta.is_file() {
        format!("{} names, {:?}", meta.nlink(), String::from_utf8_lossy(&fs::read(path).unwrap()))
    } else {
        String::new()
    };
    let times = format!("{}.{:09}", meta.mtime(), meta.mtime_nsec());
    let line = format!("{:o} {}:{} {times} {what}", meta.mode(), meta.uid(), meta.gid());
    seen.insert(path.display().to_string(), line);
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap().flatten() {
            walk(&entry.path(), seen);
        }
    }
}

/// Extended attributes and ACLs, where the tools for them are.
fn attributes(root: &str) -> String {
    let mut text = String::new();
    for (tool, flags) in
        [("getfattr", ["-Rd", "-m", "user"].as_slice()), ("getfacl", ["-R", "-n", "-p"].as_slice())]
    {
        if let Ok(out) = Command::new(tool).args(flags).arg(root).output() {
            text.push_str(&String::from_utf8_lossy(&out.stdout));
        }
    }
    let mut blocks: Vec<_> = text.split("\n\n").collect();
    blocks.sort_unstable();
    blocks.join("\n\n")
}
