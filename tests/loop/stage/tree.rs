//! A folder as a whole, to be compared before and after.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What a folder holds: by path, all that an undo must bring back.
pub(crate) type Tree = BTreeMap<String, String>;

/// Reads a folder.
pub(crate) fn tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    read(root, root, &mut tree);
    tree
}

fn read(root: &Path, path: &Path, tree: &mut Tree) {
    let meta = fs::symlink_metadata(path).unwrap();
    let what = if meta.is_symlink() {
        format!("-> {}", fs::read_link(path).unwrap().display())
    } else if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            read(root, &entry.unwrap().path(), tree);
        }
        "folder".to_owned()
    } else {
        format!("{} {:?}", meta.mtime(), String::from_utf8_lossy(&fs::read(path).unwrap()))
    };
    let name = path.strip_prefix(root).unwrap().display().to_string();
    tree.insert(name, format!("{:o} {}:{} {what}", meta.mode(), meta.uid(), meta.gid()));
}
