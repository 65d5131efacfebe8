//! What a target or a user's command told, made safe and short enough to show.

use jiff::Timestamp;
use snapback_core::event::visible;

/// The longest a single line of somebody else's text may be, in columns: a cause is a sentence, not a page.
const LONGEST_LINE: usize = 400;

/// The most characters that it may have: marks without a width of their own would stack without end.
const MOST_CHARS: usize = 4 * LONGEST_LINE;

/// The most characters of a path.
const LONGEST_PATH: usize = 4096;

/// What a line that was cut ends with.
const CUT: &str = "... (cut)";

/// Returns the text as one harmless line; its line ends become ` / `.
pub(crate) fn one_line(text: &str) -> String {
    cut(&meaningful(text).map(visible).collect::<Vec<_>>().join(" / "))
}

/// Returns the last line that says something, made harmless.
pub(crate) fn last_line(text: &str) -> String {
    meaningful(text).last().map(|line| cut(&visible(line))).unwrap_or_default()
}

/// Returns at most `most` harmless lines from the end of the text, and how many were left out before them.
pub(crate) fn last_lines(text: &str, most: usize) -> (usize, Vec<String>) {
    let lines: Vec<_> = meaningful(text).collect();
    let left_out = lines.len().saturating_sub(most);
    (left_out, lines[left_out..].iter().map(|line| cut(&visible(line))).collect())
}

/// Cuts a line that is already harmless to [`LONGEST_LINE`] columns and says so.
pub(crate) fn cut(line: &str) -> String {
    match line.char_indices().nth(MOST_CHARS) {
        Some((at, _)) => {
            console::truncate_str(&format!("{}{CUT}", &line[..at]), LONGEST_LINE, CUT).into_owned()
        }
        None => console::truncate_str(line, LONGEST_LINE, CUT).into_owned(),
    }
}

/// Returns a path as a harmless text: no system allows a longer one, but a target can say any.
pub(crate) fn path(text: &str) -> String {
    let shown = visible(text);
    match shown.char_indices().nth(LONGEST_PATH) {
        Some((at, _)) => format!("{}{CUT}", &shown[..at]),
        None => shown,
    }
}

fn meaningful(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim_end).filter(|line| !line.trim().is_empty())
}

/// Formats a date and time of day, UTC, for people.
pub(crate) fn date_time(at_ms: u64) -> String {
    let time = i64::try_from(at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| "-".to_owned(), |t| t.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// Formats a time of day, UTC, for people.
pub(crate) fn clock_time(at_ms: u64) -> String {
    let time = i64::try_from(at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| "--:--:--Z".to_owned(), |t| t.strftime("%H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_cannot_forge_a_second_line() {
        assert_eq!(one_line("refused\r\n\nweb2: confirmed\u{1b}[2J"), "refused / web2: confirmed\\x1b[2J");
        assert_eq!(one_line("half\rover"), "half\\x0dover");
    }

    #[test]
    fn the_last_line_is_one_that_says_something() {
        assert_eq!(last_line("first\nHTTP 500\n  \n"), "HTTP 500");
        assert_eq!(last_line(" \n"), "");
    }

    #[test]
    fn what_is_left_out_is_counted() {
        assert_eq!(last_lines("a\nb\nc", 2), (1, vec!["b".to_owned(), "c".to_owned()]));
        assert_eq!(last_lines("a", 2), (0, vec!["a".to_owned()]));
    }

    #[test]
    fn a_page_on_one_line_is_cut() {
        let line = one_line(&"x".repeat(10_000));
        assert_eq!(line.len(), LONGEST_LINE);
        assert!(line.ends_with("x... (cut)"));
    }
}
