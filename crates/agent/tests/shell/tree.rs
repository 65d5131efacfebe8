//! What a tree looks like, down to nanoseconds and extended attributes.

use crate::target::Target;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

/// Everything about each path below a folder of the target's, in words.
pub fn look(target: &Target, name: &str) -> BTreeMap<String, String> {
    let root = target.dest(name);
    let mut seen = BTreeMap::new();
    // busybox sets no fractions of a second; files get theirs back all the same, by their inode.
    walk(Path::new(&root), target.shell != "busybox sh", &mut seen);
    seen.insert("attributes".to_owned(), attributes(&root));
    seen
}

/// Fails with the paths that aren't as they were.
pub fn assert_same(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) {
    let names: BTreeSet<_> = before.keys().chain(now.keys()).collect();
    let differ: Vec<_> = names
        .into_iter()
        .filter(|n| before.get(*n) != now.get(*n))
        .map(|n| (n, before.get(n), now.get(n)))
        .collect();
    assert!(differ.is_empty(), "not as before: {differ:#?}");
}

fn walk(path: &Path, fractions: bool, seen: &mut BTreeMap<String, String>) {
    let meta = fs::symlink_metadata(path).unwrap();
    let what = if meta.is_symlink() {
        format!("-> {}", fs::read_link(path).unwrap().display())
    } else if meta.is_file() {
        format!("{} names, {:?}", meta.nlink(), String::from_utf8_lossy(&fs::read(path).unwrap()))
    } else {
        String::new()
    };
    let fraction = if fractions || !meta.is_dir() { meta.mtime_nsec() } else { 0 };
    let times = format!("{}.{fraction:09}", meta.mtime());
    let line = format!("{:o} {}:{} {times} {what}", meta.mode(), meta.uid(), meta.gid());
    seen.insert(path.display().to_string(), line);
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap().flatten() {
            walk(&entry.path(), fractions, seen);
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
