//! Columns of text, aligned by what a terminal shows and not by bytes.

use console::{Alignment, measure_text_width, pad_str};

/// Between two columns.
const GAP: &str = "  ";

/// Aligns rows of cells; the last column runs free.
pub(crate) fn aligned<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width =
        |column: usize| rows.iter().map(|row| measure_text_width(&row[column])).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells: Vec<_> =
            row.iter().zip(widths).map(|(cell, width)| pad_str(cell, width, Alignment::Left, None)).collect();
        cells.join(GAP).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_and_colours_do_not_shift_columns() {
        let rows = [["a", "1"], ["größe", "2"], ["\u{1b}[1mb\u{1b}[0m", "3"], ["主机", "4"]];
        let rows = rows.map(|row| row.map(str::to_owned));
        assert_eq!(aligned(&rows), ["a      1", "größe  2", "\u{1b}[1mb\u{1b}[0m      3", "主机   4"]);
    }
}
