//! The pages in `docs/` say what the code says.

use snapback_core::outcome::{EXIT_CODES, HostResult};

/// Returns the cells of a page's table rows whose first cell is marked as code.
fn rows(page: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    page.lines().filter(|line| line.starts_with("| `")).map(cells).collect()
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

#[test]
fn the_page_of_exit_codes_holds_the_table() {
    let page = include_str!("../../../docs/exit-codes.md");
    let on_page: Vec<_> =
        rows(page).into_iter().filter(|row| row[0].trim_matches('`').parse::<u8>().is_ok()).collect();
    let table: Vec<_> = EXIT_CODES
        .iter()
        .map(|(exit, text)| vec![code(&(*exit as u8).to_string()), (*text).to_owned()])
        .collect();
    assert_eq!(on_page, table);
}

#[test]
fn the_page_of_exit_codes_holds_every_result() {
    use HostResult::{
        Confirmed, NotReached, Refused, RollbackFailed, RolledBack, Skipped, Unchanged, Unknown, Unreachable,
    };
    let all = [
        Confirmed,
        Unchanged,
        Skipped,
        RolledBack,
        Refused,
        Unreachable,
        NotReached,
        RollbackFailed,
        Unknown,
    ];
    let page = include_str!("../../../docs/exit-codes.md");
    let on_page: Vec<_> = rows(page)
        .into_iter()
        .map(|row| row[0].clone())
        .filter(|word| word.contains(char::is_alphabetic))
        .collect();
    assert_eq!(on_page, all.map(|result| code(result.word())));
}
