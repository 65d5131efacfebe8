//! The tables of `docs/lifecycle.md` are those of the code.
//!
//! `SNAPBACK_BLESS=1 cargo test -p deploy --test docs tables` writes them anew; read the difference.

use crate::pages::{page, top};
use std::fs;

const PAGE: &str = "docs/lifecycle.md";

/// Compares what stands between two marks with what the code says, or writes it there.
fn assert_holds(name: &str, wanted: &str) {
    let text = page(PAGE).text;
    let (begin, end) = (format!("<!-- generated: {name} -->\n"), format!("<!-- end: {name} -->"));
    let (before, rest) =
        text.split_once(&begin).unwrap_or_else(|| panic!("{PAGE} has lost its mark {begin}"));
    let (found, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{PAGE} has lost its mark {end}"));
    if std::env::var_os("SNAPBACK_BLESS").is_some() {
        fs::write(top().join(PAGE), [before, &begin, wanted, &end, after].concat()).unwrap();
        return;
    }
    assert!(
        found == wanted,
        "{PAGE}: the table `{name}` isn't what the code says:\n{wanted}\n\
         To write both tables anew: SNAPBACK_BLESS=1 cargo test -p deploy --test docs tables"
    );
}

/// One test for both: two would write the page at the same time.
#[test]
fn the_tables_are_those_of_the_code() {
    assert_holds("controller", &snapback_core::lifecycle::markdown());
    assert_holds("target", &format!("```text\n{}```\n", snapback_core::target::table()));
}
