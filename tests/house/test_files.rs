//! A test file that no `mod` line names is never run: there is none.

use crate::source::{crates, folders, top};
use std::fs;
use std::path::{Path, PathBuf};

/// The folders that are one test binary each: `tests/NAME/main.rs`, at the top and in crates.
fn test_binaries() -> Vec<PathBuf> {
    let places = crates().into_iter().chain([top()]).map(|place| place.join("tests"));
    places.flat_map(|place| folders(&place)).filter(|folder| folder.join("main.rs").exists()).collect()
}

/// Asserts that the file declares everything that lies beside it, and goes on with what it declares.
fn assert_declares_all(root: &Path, folder: &Path) {
    let text = fs::read_to_string(root).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let is_module = path.extension().is_some_and(|e| e == "rs") || path.join("mod.rs").exists();
        if !is_module || matches!(name.as_str(), "main" | "mod") {
            continue;
        }
        let declared =
            text.lines().any(|line| line.trim_start_matches("pub(crate) ") == format!("mod {name};"));
        assert!(declared, "{} is never run: {} doesn't say `mod {name};`", path.display(), root.display());
        if path.join("mod.rs").exists() {
            assert_declares_all(&path.join("mod.rs"), &path);
        }
    }
}

#[test]
fn every_test_file_is_declared() {
    let binaries = test_binaries();
    assert!(!binaries.is_empty());
    for folder in binaries {
        assert_declares_all(&folder.join("main.rs"), &folder);
    }
}

#[test]
fn every_test_binary_at_the_top_is_declared() {
    let manifest = fs::read_to_string(top().join("crates/deploy/Cargo.toml")).unwrap();
    for folder in folders(&top().join("tests")) {
        if folder.join("main.rs").exists() {
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            let declared = manifest.contains(&format!("path = \"../../tests/{name}/main.rs\""));
            assert!(declared, "crates/deploy/Cargo.toml doesn't declare tests/{name}");
        }
    }
}
