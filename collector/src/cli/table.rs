//! Aligned tables.
//!
//! Invariant: one line per row, whatever texts its cells have; a column that contains only numbers
//! is aligned to the right.

use crate::terminal::visible;

/// Head of a column, and the text of its cell in a row.
pub(super) type Column<R> = (&'static str, fn(&R) -> String);

/// Renders rows as text.
pub(super) fn render<R>(columns: &[Column<R>], rows: &[R]) -> String {
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| columns.iter().map(|(_, cell)| visible(&cell(row))).collect()).collect();
    let layout: Vec<(usize, bool)> = columns
        .iter()
        .enumerate()
        .map(|(index, (head, _))| {
            let column = || cells.iter().filter_map(|row| row.get(index));
            let width = column().map(|cell| cell.chars().count()).max().unwrap_or(0);
            let is_number = |cell: &String| cell.starts_with(|c: char| c.is_ascii_digit() || c == '-');
            (width.max(head.chars().count()), !rows.is_empty() && column().all(is_number))
        })
        .collect();
    let heads = columns.iter().map(|(head, _)| *head);
    let mut text = line(heads, &layout);
    for row in &cells {
        text.push_str(&line(row.iter().map(String::as_str), &layout));
    }
    text
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, layout: &[(usize, bool)]) -> String {
    let cells =
        cells.zip(layout).map(
            |(cell, &(width, right))| {
                if right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            },
        );
    format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
}

/// Milliseconds of a duration in microseconds.
pub(super) fn ms(us: f64) -> String {
    format!("{:.1}", us / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::{Column, render};

    #[test]
    fn numbers_are_aligned_to_the_right() {
        let columns: [Column<(&str, u64)>; 2] =
            [("name", |(name, _)| (*name).to_owned()), ("n", |(_, number)| number.to_string())];
        assert_eq!(render(&columns, &[("shop", 7), ("a", 123)]), "name    n\nshop    7\na     123\n");
        assert_eq!(render(&columns, &[]), "name  n\n");
        let forged = ("shop\n\u{1b}[2Ka    9\u{202e}", 1);
        assert_eq!(render(&columns, &[forged]), "name              n\nshop??[2Ka    9?  1\n");
    }
}
