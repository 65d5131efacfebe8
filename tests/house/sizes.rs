//! How big a file may get. Functions are counted by clippy.

use crate::source::product_sources;

/// More than this and a file has two meanings.
const MOST_LINES: usize = 400;

#[test]
fn no_source_file_is_too_long_to_read() {
    for source in product_sources() {
        let lines = source.code().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines of code: split it by meaning", source.path);
    }
}
