//! The live table of edges.
//!
//! In: edges of the collector, read once per second. Out: a table on standard error.
//! Invariant: on a terminal the table is redrawn in place and fits the window; elsewhere it is
//! printed every 10 s.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use rustix::termios::tcgetwinsize;
use tokio::time::{self, Instant};

use super::edge::{self, Edge, Line};
use super::table::{Column, lay_out, number, text};
use crate::collector::Collector;
use crate::progress;

/// Time between two reads.
const REFRESH: Duration = Duration::from_secs(1);

/// Reads between two tables outside of a terminal.
const PRINT_EVERY: u32 = 10;

/// Reads over which a rate is computed.
const SPAN: usize = 5;

const COLUMNS: [Column; 7] = [
    text("edge"),
    text("reporter"),
    number("req/s"),
    number("failed"),
    number("p50 ms"),
    number("p99 ms"),
    text("flags"),
];

/// The live table of a collector.
#[derive(Debug)]
pub(super) struct Live<'a> {
    collector: &'a Collector,
    before: VecDeque<(Instant, BTreeMap<Edge, u64>)>,
    drawn: usize,
}

impl<'a> Live<'a> {
    pub(super) fn new(collector: &'a Collector) -> Self {
        Self { collector, before: VecDeque::new(), drawn: 0 }
    }

    /// Shows the table until the future is dropped.
    pub(super) async fn run(mut self) -> Infallible {
        let in_place = io::stderr().is_terminal();
        let mut ticks = time::interval(REFRESH);
        let mut count = 0_u32;
        loop {
            ticks.tick().await;
            let lines = self.refresh().await;
            if in_place {
                self.draw(lines);
            } else if count % PRINT_EVERY == PRINT_EVERY - 1 {
                lines.iter().for_each(|line| progress::remark(line));
            }
            count = count.wrapping_add(1);
        }
    }

    async fn refresh(&mut self) -> Vec<String> {
        let rows = match self.collector.edges().await {
            Ok(rows) => rows,
            Err(error) => return vec![format!("the collector does not answer: {error:#}")],
        };
        let (now, lines) = (Instant::now(), edge::lines(&rows));
        let counts = lines.iter().map(|(edge, line)| (edge.clone(), line.requests)).collect();
        let oldest = self.before.front();
        let rate = |edge: &Edge, line: &Line| match oldest {
            Some((then, counts)) => {
                let grown = line.requests.saturating_sub(counts.get(edge).copied().unwrap_or_default());
                grown as f64 / now.duration_since(*then).as_secs_f64()
            }
            None => 0.0,
        };
        let shown = render(&lines, rate);
        self.before.push_back((now, counts));
        if self.before.len() > SPAN {
            self.before.pop_front();
        }
        shown
    }

    fn draw(&mut self, mut lines: Vec<String>) {
        let (height, width) = tcgetwinsize(io::stderr()).map_or((24, 80), |size| (size.ws_row, size.ws_col));
        lines.truncate(usize::from(height).saturating_sub(1));
        let mut picture = if self.drawn > 0 { format!("\x1b[{}A\x1b[J", self.drawn) } else { String::new() };
        for (at, line) in lines.iter().enumerate() {
            let line: String = line.chars().take(usize::from(width)).collect();
            let bold = at == 0 && progress::coloured();
            picture += &if bold { format!("\x1b[1m{line}\x1b[0m\n") } else { format!("{line}\n") };
        }
        self.drawn = lines.len();
        io::stderr().write_all(picture.as_bytes()).ok();
    }
}

/// Formats a table of these lines; `rate` returns requests per second.
pub(super) fn render(lines: &BTreeMap<Edge, Line>, rate: impl Fn(&Edge, &Line) -> f64) -> Vec<String> {
    let mut rows = Vec::new();
    let mut before = None;
    for (edge, line) in lines {
        let name = format!("{} → {}", edge.source, edge.destination);
        let share = line.failed as f64 / line.requests.max(1) as f64;
        let flags: Vec<String> = line.flags.iter().map(|(flag, count)| format!("{flag} {count}")).collect();
        rows.push([
            // Once for both sides.
            if before.as_ref() == Some(&name) { String::new() } else { name.clone() },
            edge.reporter().to_owned(),
            format!("{:.1}", rate(edge, line)),
            format!("{:.1} %", share * 100.0),
            format!("{:.1}", line.quantile_us(0.5) / 1000.0),
            format!("{:.1}", line.quantile_us(0.99) / 1000.0),
            flags.join(", "),
        ]);
        before = Some(name);
    }
    lay_out(COLUMNS, &rows)
}
