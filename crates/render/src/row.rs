//! A line of a terminal that is never wider than the terminal.

use crate::palette::{Palette, Tone};
use console::measure_text_width;

/// What a line that was cut ends with.
const CUT: &str = "…";

/// A line made of pieces, each in a tone of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row(Vec<(Tone, String)>);

impl Row {
    /// Returns the row with a piece more.
    pub(crate) fn with(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.0.push((tone, text.into()));
        self
    }

    /// Returns whether there is nothing to be seen of it.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, text)| text.is_empty())
    }

    /// Returns its columns.
    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| width(text)).sum()
    }

    /// Returns it without colours and of any width.
    pub(crate) fn plain(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// Returns it in colours, cut to so many columns.
    pub(crate) fn fitted(&self, columns: usize, palette: Palette) -> String {
        if self.width() <= columns {
            return self.0.iter().map(|(tone, text)| palette.tone(*tone, text)).collect();
        }
        let Some(mut left) = columns.checked_sub(width(CUT)) else { return String::new() };
        let mut out = String::new();
        for (tone, text) in &self.0 {
            let shown = beginning(text, left);
            if shown.len() < text.len() {
                out.push_str(&palette.tone(*tone, &format!("{shown}{CUT}")));
                break;
            }
            left -= width(shown);
            out.push_str(&palette.tone(*tone, shown));
        }
        out
    }
}

/// Returns the columns of a text, each of its characters by itself: so counts whoever draws it.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(|c| measure_text_width(c.encode_utf8(&mut [0; 4]))).sum()
}

/// Cuts a text to so many columns and says so.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    columns.checked_sub(width(CUT)).map_or_else(String::new, |left| format!("{}{CUT}", beginning(text, left)))
}

/// As much of a text as so many columns take.
fn beginning(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|(at, c)| {
        used += width(&text[*at..at + c.len_utf8()]);
        used > columns
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// Cuts or fills a text to exactly so many columns.
pub(crate) fn padded(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let rest = columns - width(&text);
    text + &" ".repeat(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_are_cut_before_the_edge() {
        assert_eq!(["ab", "abc", "主机", "主机名"].map(|text| cut(text, 3)), ["ab", "abc", "主…", "主…"]);
        assert_eq!([0, 1, 2].map(|columns| cut("abc", columns)), ["", "…", "a…"]);
        assert_eq!((padded("主机名", 4), padded("a", 3)), ("主… ".to_owned(), "a  ".to_owned()));
    }

    #[test]
    fn a_row_is_cut_where_it_ends_and_only_there() {
        let row = Row::default().with(Tone::Heading, "web1").with(Tone::Plain, "").with(Tone::Bad, " failed");
        let fitted = |columns| row.fitted(columns, Palette::new(false));
        assert_eq!([11, 10, 5, 4, 3].map(fitted), ["web1 failed", "web1 fail…", "web1…", "web…", "we…"]);
        let coloured = row.fitted(10, Palette::new(true));
        assert_eq!(console::strip_ansi_codes(&coloured), "web1 fail…");
    }
}
