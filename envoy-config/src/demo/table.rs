//! A table in plain text.
//!
//! In: a head and rows of cells. Out: lines of equal columns.
//! Invariant: numbers are aligned to the right.

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) right: bool,
}

/// A column of text.
pub(super) const fn text(title: &'static str) -> Column {
    Column { title, right: false }
}

/// A column of numbers.
pub(super) const fn number(title: &'static str) -> Column {
    Column { title, right: true }
}

/// Lays out a table; the head is the first line.
pub(super) fn lay_out<const N: usize>(columns: [Column; N], rows: &[[String; N]]) -> Vec<String> {
    let head = columns.map(|column| column.title.to_owned());
    let all = || std::iter::once(&head).chain(rows);
    let mut widths = [0; N];
    for row in all() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).zip(columns).map(|((cell, width), column)| {
            if column.right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows =
            [["a → b".to_owned(), "1".to_owned(), String::new()], ["c".into(), "1000".into(), "UT 3".into()]];
        let lines = lay_out([text("edge"), number("n"), text("flags")], &rows);
        assert_eq!(lines, ["edge      n  flags", "a → b     1", "c      1000  UT 3"]);
    }
}
