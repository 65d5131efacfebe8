//! What files may be called.

use crate::source::{rust_files, top};

/// Names that say nothing about what is inside.
const EMPTY_WORDS: &[&str] = &["common", "helper", "helpers", "inner", "manager", "misc", "util", "utils"];

#[test]
fn no_file_or_folder_has_a_name_that_says_nothing() {
    let top = top();
    for place in ["crates", "tests"] {
        for path in rust_files(&top.join(place)) {
            let shown = path.strip_prefix(&top).unwrap();
            let words = shown.iter().map(|part| part.to_string_lossy().trim_end_matches(".rs").to_owned());
            for word in words {
                let empty = word.split(['_', '-']).any(|part| EMPTY_WORDS.contains(&part));
                assert!(!empty, "{}: say what is in it", shown.display());
            }
        }
    }
}
