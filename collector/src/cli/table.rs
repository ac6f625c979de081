//! Rows as aligned text.
//!
//! In: a head and rows. Out: text. Always holds: columns whose every cell is a figure stand to the right.

/// The text of a table.
pub(super) fn render(head: &[&str], rows: &[Vec<String>]) -> String {
    let column = |place: usize| rows.iter().filter_map(move |row| row.get(place));
    let layout: Vec<(usize, bool)> = head
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let width = column(place).map(|cell| cell.chars().count()).max().unwrap_or(0);
            let figures =
                column(place).all(|cell| cell.starts_with(|c: char| c.is_ascii_digit() || c == '-'));
            (width.max(name.chars().count()), figures && !rows.is_empty())
        })
        .collect();
    let line =
        |cells: &mut dyn Iterator<Item = &str>| {
            let cells = cells.zip(&layout).map(|(cell, &(width, right))| {
                if right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
        };
    let mut text = line(&mut head.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::render;

    #[test]
    fn figures_stand_to_the_right() {
        let rows = [vec!["shop".to_owned(), "7".to_owned()], vec!["a".to_owned(), "123".to_owned()]];
        assert_eq!(render(&["name", "n"], &rows), "name    n\nshop    7\na     123\n");
        assert_eq!(render(&["name", "n"], &[]), "name  n\n");
    }
}
