//! Lists of host names, and the texts of several hosts that differ in nothing but the host's name.

use crate::quantity::grouped;

/// Stands for the host's name in a text that several hosts share.
pub(crate) const ANY_HOST: &str = "HOST";

/// Joins names, the first `most` of them in full and the rest as a number.
pub(crate) fn joined<S: AsRef<str>>(names: &[S], most: usize) -> String {
    let shown = names.iter().take(most).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        rest => format!("{shown} and {} more", grouped(rest)),
    }
}

/// Returns how many of so many names are shown: up to `most` all, of more only `few`.
pub(crate) fn shown(names: usize, most: usize, few: usize) -> usize {
    if names > most { few } else { most }
}

/// Joins names and breaks the line before a name that would pass `width` columns; 0 never breaks.
pub(crate) fn wrapped<S: AsRef<str>>(names: &[S], most: usize, width: usize, indent: &str) -> String {
    let joined = joined(names, most);
    if width == 0 {
        return joined;
    }
    let mut out = String::new();
    let mut used = 0;
    for word in joined.split_inclusive(", ") {
        let needed = console::measure_text_width(word.trim_end());
        if used > 0 && used + needed > width {
            out.truncate(out.trim_end().len());
            out.push('\n');
            out.push_str(indent);
            used = indent.len();
        }
        out.push_str(word);
        used += console::measure_text_width(word);
    }
    out
}

/// Replaces a host's own name by [`ANY_HOST`], so that texts which differ in nothing else are the same text.
///
/// Only whole names count: `web1` inside `web10` or `web1.example.org` is another name.
pub(crate) fn without_name(text: &str, host: &str) -> String {
    replaced(text, host, ANY_HOST)
}

/// Replaces a host's own name by something else, where it stands alone.
pub(crate) fn replaced(text: &str, host: &str, by: &str) -> String {
    if host.is_empty() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (at, _) in text.match_indices(host) {
        let end = at + host.len();
        if stands_alone(text, at, end) {
            out.push_str(&text[done..at]);
            out.push_str(by);
            done = end;
        }
    }
    out.push_str(&text[done..]);
    out
}

fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || "-_".contains(c);
    let before = text[..start].chars().next_back();
    let mut after = text[end..].chars();
    let follows = match after.next() {
        // A dot or colon ends a sentence more often than it goes on with a name.
        Some('.' | ':') => after.next().is_some_and(part_of_name),
        Some(c) => part_of_name(c),
        None => false,
    };
    !follows && !before.is_some_and(|c| part_of_name(c) || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_end_in_a_number() {
        assert_eq!(joined(&["a", "b"], 2), "a, b");
        assert_eq!(joined(&["a", "b", "c"], 2), "a, b and 1 more");
    }

    #[test]
    fn lines_break_between_names() {
        let names = ["web1", "web2", "web3", "web4"];
        assert_eq!(wrapped(&names, 9, 11, "  "), "web1, web2,\n  web3,\n  web4");
        assert_eq!(wrapped(&names, 2, 0, "  "), "web1, web2 and 2 more");
        assert_eq!(wrapped(&["longer-than-the-line"], 9, 5, ""), "longer-than-the-line");
    }

    #[test]
    fn only_whole_names_are_taken_out() {
        assert_eq!(without_name("ssh web1: no route to web1.", "web1"), "ssh HOST: no route to HOST.");
        assert_eq!(without_name("the run", ""), "the run");
        for other in ["web10 is up", "web1.example.org", "my-web1", "www.web1", "web1:2222"] {
            assert_eq!(without_name(other, "web1"), other);
        }
    }
}
