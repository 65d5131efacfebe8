//! Who may depend on whom.

use crate::source::{crates, product_sources};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use toml::Table;

const ALL: &[&str] = &["agent", "core", "engine", "fleet", "render", "transport"];

/// Each crate and those of ours that it may see. `xtask` builds and measures; it sees what it likes.
const ARROWS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("fleet", &["core"]),
    ("render", &["core"]),
    ("agent", &["core"]),
    ("transport", &["core"]),
    ("engine", &["agent", "core", "transport"]),
    ("deploy", ALL),
    ("testkit", &["core", "transport"]),
    ("model", &["core"]),
    ("xtask", &["agent", "core", "engine", "fleet", "render", "testkit", "transport"]),
];

/// The names in some sections of a manifest, those for one platform included.
fn dependencies(manifest: &Table, sections: &[&str]) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(toml::Value::as_table).into_iter();
    let targets = targets.flat_map(|platforms| platforms.values().filter_map(toml::Value::as_table));
    let places = targets.chain([manifest]);
    let found =
        places.flat_map(|place| sections.iter().filter_map(|section| place.get(*section)?.as_table()));
    found.flat_map(|section| section.keys().cloned()).collect()
}

fn manifest(folder: &Path) -> Table {
    fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap()
}

fn short_name(folder: &Path) -> String {
    folder.file_name().unwrap().to_string_lossy().into_owned()
}

/// Ours among the names, without the prefix that all of them have.
fn ours(names: BTreeSet<String>) -> BTreeSet<String> {
    let short = names.iter().filter_map(|name| name.strip_prefix("snapback-"));
    let binaries = names.iter().filter(|name| matches!(name.as_str(), "deploy" | "xtask"));
    short.map(str::to_owned).chain(binaries.cloned()).collect()
}

#[test]
fn every_crate_is_in_the_table() {
    let found: BTreeSet<String> = crates().iter().map(|folder| short_name(folder)).collect();
    let listed: BTreeSet<String> = ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(found, listed, "the folders in crates/ and the table of arrows");
}

#[test]
fn crates_depend_only_downward() {
    for folder in crates() {
        let (name, manifest) = (short_name(&folder), manifest(&folder));
        let (_, allowed) = ARROWS.iter().find(|(listed, _)| *listed == name).unwrap();
        for seen in ours(dependencies(&manifest, &["dependencies", "build-dependencies"])) {
            assert!(allowed.contains(&seen.as_str()), "{name} may not depend on {seen}");
        }
        for seen in ours(dependencies(&manifest, &["dev-dependencies"])) {
            let legal = seen == "testkit" || allowed.contains(&seen.as_str());
            assert!(legal, "the tests of {name} may not depend on {seen}");
        }
    }
}

#[test]
fn anyhow_lives_in_the_two_programs_only() {
    let users = crates().into_iter().filter(|folder| {
        let sections = ["dependencies", "build-dependencies", "dev-dependencies"];
        dependencies(&manifest(folder), &sections).contains("anyhow")
    });
    let users: Vec<String> = users.map(|folder| short_name(&folder)).collect();
    assert_eq!(users, ["deploy", "xtask"]);
}

#[test]
fn openssh_is_named_in_one_file() {
    let sources = product_sources();
    let users: Vec<&str> = sources
        .iter()
        .filter(|source| source.names_crate("openssh"))
        .map(|source| source.path.as_str())
        .collect();
    assert_eq!(users, ["crates/transport/src/openssh.rs"]);
}
