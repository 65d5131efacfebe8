//! Unified diffs of texts, cut where they become a page that nobody reads.

use crate::palette::Palette;
use crate::quantity::count;
use crate::told::cut;
use similar::{ChangeTag, TextDiff};
use snapback_core::event::visible;
use std::time::Duration;

/// How many lines of a diff are shown.
const MOST_LINES: usize = 200;

/// Lines around a difference.
const CONTEXT: usize = 3;

/// After this a coarser diff is good enough: it is as true as a fine one.
const PATIENCE: Duration = Duration::from_secs(1);

/// Returns the lines of a diff, harmless and coloured.
pub(super) fn lines(now: &str, wanted: &str, palette: Palette) -> Vec<String> {
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(now, wanted);
    let mut lines = Vec::new();
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        lines.push(palette.faint(hunk.header().to_string().trim_end()));
        for change in hunk.iter_changes() {
            lines.push(line(change.tag(), change.value(), palette));
            if change.missing_newline() {
                lines.push(palette.faint("\\ no newline at the end"));
            }
        }
    }
    let rest = lines.len().saturating_sub(MOST_LINES);
    if rest > 0 {
        lines.truncate(MOST_LINES);
        lines.push(palette.notable(&format!("... {} of this diff are not shown", count(rest, "more line"))));
    }
    lines
}

fn line(tag: ChangeTag, value: &str, palette: Palette) -> String {
    // Only the line feed goes: a carriage return is part of the difference.
    let text = cut(&visible(value.strip_suffix('\n').unwrap_or(value)));
    match tag {
        ChangeTag::Equal => format!(" {text}"),
        ChangeTag::Delete => palette.removed(&format!("-{text}")),
        ChangeTag::Insert => palette.good(&format!("+{text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(now: &str, wanted: &str) -> Vec<String> {
        lines(now, wanted, Palette::new(false))
    }

    #[test]
    fn line_ends_that_differ_are_seen() {
        assert_eq!(plain("a\r\n", "a\n"), ["@@ -1 +1 @@", "-a\\x0d", "+a"]);
        assert_eq!(plain("a\n", "a"), ["@@ -1 +1 @@", "-a", "+a", "\\ no newline at the end"]);
    }

    #[test]
    fn escapes_in_either_text_become_visible() {
        assert_eq!(plain("\u{1b}[2J\n", "\u{9b}2J\n"), ["@@ -1 +1 @@", "-\\x1b[2J", "+\\x9b2J"]);
    }

    #[test]
    fn a_long_diff_says_how_much_is_missing() {
        let wanted: String = (0..500).map(|n| format!("{n}\n")).collect();
        let lines = plain("", &wanted);
        assert_eq!(lines.len(), MOST_LINES + 1);
        assert_eq!(lines[MOST_LINES], "... 301 more lines of this diff are not shown");
    }
}
