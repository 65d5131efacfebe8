//! Every promise of `docs/failure-modes.md` names a test that exists.

use crate::pages::{page, top};
use std::fs;
use std::path::PathBuf;

const PAGE: &str = "docs/failure-modes.md";

/// The rows of the page's tables, without headings and rulers.
fn rows(text: &str) -> Vec<Vec<String>> {
    let is_row =
        |line: &&str| line.starts_with('|') && !line.starts_with("|---") && !line.contains("| shown by |");
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let (promises, _figures) = text.split_once("\n### What was counted").unwrap_or((text, ""));
    promises.lines().filter(is_row).map(cells).collect()
}

/// The tests that a cell names: `binary::module::test`.
fn named(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The source of a module of a test binary, at the top or in a crate.
fn source(binary: &str, module: &str) -> Option<String> {
    let crates = fs::read_dir(top().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let places = crates.chain([top()]).map(|place| place.join("tests").join(binary));
    let files = places.flat_map(|place: PathBuf| {
        [format!("{module}.rs"), format!("{module}/mod.rs")].map(|f| place.join(f))
    });
    // Two crates may have test binaries of one name.
    let found: Vec<String> = files.filter_map(|file| fs::read_to_string(file).ok()).collect();
    (!found.is_empty()).then(|| found.join("\n"))
}

/// Whether a source has a test function of this name, not just a function.
fn has_test(source: &str, name: &str) -> bool {
    let Some((before, _)) = source.split_once(&format!("fn {name}(")) else { return false };
    let above: Vec<&str> = before.lines().rev().take(5).collect();
    above
        .iter()
        .take_while(|line| !line.starts_with('}'))
        .any(|line| line.contains("test") && line.contains("#["))
}

#[test]
fn every_row_names_tests_that_exist() {
    for (path, least) in [(PAGE, 15), ("SECURITY.md", 10)] {
        check_rows(path, least);
    }
}

fn check_rows(path: &str, least: usize) {
    let text = page(path).text;
    let rows = rows(&text);
    assert!(rows.len() > least, "{path}: the rows are gone");
    for row in rows {
        let tests = named(row.last().unwrap());
        assert!(!tests.is_empty(), "{path}: no test shows this: {}", row.join(" | "));
        for test in tests {
            let parts: Vec<&str> = test.split("::").collect();
            let [binary, module, name] = parts[..] else {
                panic!("{path}: {test} isn't binary::module::test")
            };
            let source =
                source(binary, module).unwrap_or_else(|| panic!("{path}: there is no file for {test}"));
            assert!(has_test(&source, name), "{path}: {test} doesn't exist");
        }
    }
}

#[test]
fn a_test_that_does_not_exist_is_noticed() {
    let text = "#[test]\nfn real() {\n}\n\nfn other() {\n}\n";
    assert!(has_test(text, "real"));
    assert!(!has_test(text, "other"));
    assert!(!has_test(text, "missing"));
}
