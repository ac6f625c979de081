//! Medians over rounds, and their ratios to those of a baseline.
//!
//! In: the rows of one run, a row per round. Out: one row of medians, one of ratios.
//! Invariant: a figure that only some rounds have is the median of those rounds; a figure that the
//! baseline lacks, or has as 0, has no ratio.

use super::row::{Row, number};

/// Median of each figure; none without rows.
pub(crate) fn median(rows: &[Row]) -> Option<Row> {
    let first = rows.first()?;
    let mut names: Vec<_> = Vec::new();
    for name in rows.iter().flat_map(Row::names) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let medians = names.into_iter().filter_map(|name| {
        let values = rows.iter().filter_map(|row| row.get(name)).collect();
        Some((name.clone(), middle(values)?))
    });
    Some(medians.fold(Row::new(first.run()), |row, (name, value)| row.with(name, value)))
}

/// Ratio of each figure to the baseline's.
pub(crate) fn ratio(row: &Row, baseline: &Row) -> Row {
    let ratios = row.names().filter_map(|name| {
        let (value, reference) = (row.get(name)?, baseline.get(name)?);
        (reference != 0.0).then(|| (name.clone(), value / reference))
    });
    ratios.fold(Row::new(row.run()), |row, (name, value)| row.with(name, value))
}

/// Lines of a table of figures: collector, baseline, ratio.
pub(crate) fn table(row: &Row, baseline: &Row) -> Vec<String> {
    let ratios = ratio(row, baseline);
    let mut lines = vec![format!("{:32} {:>14} {:>14} {:>8}", row.run(), "collector", "baseline", "ratio")];
    for name in row.names() {
        let cell = |row: &Row| row.get(name).map_or_else(|| "-".to_owned(), number);
        let share = ratios.get(name).map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"));
        lines.push(format!("{name:32} {:>14} {:>14} {share:>8}", cell(row), cell(baseline)));
    }
    lines
}

/// The value in the middle; the mean of both middle ones where their number is even.
fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *values.get(values.len() / 2 - 1)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ack_ms: f64, reads: f64) -> Row {
        Row::new("readers").with("ack_max_ms", ack_ms).with("reads", reads)
    }

    #[test]
    fn the_median_of_each_figure_is_independent_of_the_others() {
        let rows = [row(3.0, 10.0), row(1.0, 30.0), row(2.0, 20.0).with("status_503", 4.0)];
        let median = median(&rows).unwrap();
        let figures = ["ack_max_ms", "reads", "status_503"].map(|name| median.get(name));
        assert_eq!(figures, [Some(2.0), Some(20.0), Some(4.0)]);
        assert_eq!(middle(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(middle(Vec::new()), None);
    }

    #[test]
    fn a_figure_without_a_baseline_has_no_ratio() {
        let ratios = ratio(&row(1.0, 5.0), &Row::new("readers").with("ack_max_ms", 4.0).with("reads", 0.0));
        assert_eq!((ratios.get("ack_max_ms"), ratios.get("reads")), (Some(0.25), None));
        assert!(table(&row(1.0, 5.0), &row(4.0, 5.0)).concat().contains("0.250"));
    }
}
