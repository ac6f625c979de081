//! Pages of a list: `limit`, `cursor`, and the slices in which a page is read.
//!
//! A cursor is the position in the list at which the next page starts, as opaque text. Positions
//! are slot numbers, names or rising numbers, so that they remain valid while rows come and go.
//!
//! Invariant: a walk from page to page ends, and never panics, whatever changes meanwhile. One read
//! of the engine examines at most [`SLICE_ENTRIES`] entries and copies at most as many rows.

use super::parameters::{BadParameter, Parameters};
use crate::runtime::reader::EngineReader;
use hopscope_core::engine::Engine;
use std::fmt::Write;

/// Rows of a page by default.
const LIMIT_DEFAULT: usize = 1_000;
/// Rows of a page at most.
const LIMIT_MAX: usize = 10_000;
/// Entries that one read of the engine examines at most.
const SLICE_ENTRIES: usize = 128;

/// Position in a list.
pub(crate) trait Position: Clone + Send + 'static {
    /// Position of the first entry.
    fn start() -> Self;
    /// Text from which [`Position::decode`] restores the position.
    fn encode(&self) -> String;
    /// Restores a position.
    fn decode(text: &str) -> Option<Self>;
}

/// Slot of a table.
impl Position for usize {
    fn start() -> Self {
        0
    }

    fn encode(&self) -> String {
        self.to_string()
    }

    fn decode(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// Position inside an entry that has several rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row<P> {
    /// The entry.
    pub entry: P,
    /// Rows of the entry that are returned already.
    pub returned: usize,
}

impl<P: Position> Position for Row<P> {
    fn start() -> Self {
        Self { entry: P::start(), returned: 0 }
    }

    fn encode(&self) -> String {
        format!("{}.{}", self.returned, self.entry.encode())
    }

    fn decode(text: &str) -> Option<Self> {
        let (returned, entry) = text.split_once('.')?;
        Some(Self { entry: P::decode(entry)?, returned: returned.parse().ok()? })
    }
}

/// Node id of the last proxy that is returned; the list is in the order of node ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AfterProxy(pub hopscope_core::batch::Text);

impl Position for AfterProxy {
    fn start() -> Self {
        Self("".into())
    }

    fn encode(&self) -> String {
        self.0.to_string()
    }

    fn decode(text: &str) -> Option<Self> {
        Some(Self(text.into()))
    }
}

/// Part of a list.
#[derive(Debug, Clone)]
pub(crate) struct Page<P> {
    list: &'static str,
    /// Rows at most.
    pub limit: usize,
    /// Position of the first row; `None` on the first page.
    pub cursor: Option<P>,
}

impl<P: Position> Page<P> {
    /// Reads the parameters `limit` and `cursor`. `list` keeps the cursors of different lists
    /// apart.
    pub(crate) fn read(parameters: &mut Parameters, list: &'static str) -> Result<Self, BadParameter> {
        let limit = parameters.value("limit", "a number from 1 to 10000", |text| {
            text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit))
        })?;
        let allowed = "the `next_cursor` of an earlier answer of this list, unchanged";
        let cursor = parameters.value("cursor", allowed, |text| {
            let text = from_hex(text)?;
            P::decode(text.strip_prefix(list)?.strip_prefix(' ')?)
        })?;
        Ok(Self { list, limit: limit.unwrap_or(LIMIT_DEFAULT), cursor })
    }

    /// Position of the first row.
    pub(crate) fn start(&self) -> P {
        self.cursor.clone().unwrap_or_else(P::start)
    }

    /// Cursor of a position.
    pub(crate) fn cursor_at(&self, position: &P) -> String {
        to_hex(&format!("{} {}", self.list, position.encode()))
    }
}

/// Rows, and the position to continue at; `None` at the end of the list.
pub(crate) type Step<P, T> = (Vec<T>, Option<P>);

/// Reads the engine in slices.
pub(crate) struct View {
    reader: EngineReader,
    /// Time of the request, microseconds since the Unix epoch.
    pub now_us: u64,
}

impl View {
    pub(crate) fn new(reader: EngineReader, now_us: u64) -> Self {
        Self { reader, now_us }
    }

    /// Reads some values of the engine. `None` when the collector stops.
    pub(crate) fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Engine) -> T + Send + 'static,
    ) -> Option<T> {
        self.reader.read_blocking(read)
    }

    /// Reads at most `rows_left` rows. `step` examines one entry, and returns its rows up to the given
    /// number.
    pub(crate) fn slice<P: Position, T: Send + 'static>(
        &self,
        start: P,
        rows_left: usize,
        step: impl Fn(&Engine, P, usize) -> Step<P, T> + Send + 'static,
    ) -> Option<Step<P, T>> {
        let rows_left = rows_left.min(SLICE_ENTRIES);
        self.read(move |engine| {
            let (mut rows, mut position) = (Vec::new(), start);
            for _ in 0..SLICE_ENTRIES {
                let (found, next) = step(engine, position, rows_left - rows.len());
                rows.extend(found);
                match next {
                    Some(next) if rows.len() < rows_left => position = next,
                    next => return (rows, next),
                }
            }
            (rows, Some(position))
        })
    }

    /// Reads a page, and its `next_cursor`. There is a cursor only when another row follows.
    pub(crate) fn page<P: Position, T: Send + 'static>(
        &self,
        page: &Page<P>,
        step: impl Fn(&Engine, P, usize) -> Step<P, T> + Clone + Send + 'static,
    ) -> Option<(Vec<T>, Option<String>)> {
        let mut rows = Vec::new();
        let mut next = Some(page.start());
        while let Some(position) = next {
            let is_full = rows.len() >= page.limit;
            let rows_left = if is_full { 1 } else { page.limit - rows.len() };
            let (found, after) = self.slice(position.clone(), rows_left, step.clone())?;
            if is_full && !found.is_empty() {
                return Some((rows, Some(page.cursor_at(&position))));
            }
            rows.extend(found);
            next = after;
        }
        Some((rows, None))
    }
}

fn to_hex(text: &str) -> String {
    text.bytes().fold(String::with_capacity(2 * text.len()), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn from_hex(hex: &str) -> Option<String> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok();
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    String::from_utf8(bytes?).ok().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{AfterProxy, Page, Parameters, Position, Row};

    fn read<P: Position>(query: &str) -> Result<Page<P>, String> {
        Page::read(&mut Parameters::parse(query), "edges").map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_cursor_restores_its_position_in_its_own_list_only() {
        let page = read::<Row<AfterProxy>>("").unwrap();
        assert_eq!((page.limit, page.cursor.is_none()), (1_000, true));
        let position = Row { entry: AfterProxy("sidecar~10.0.0.1~a.b~ü".into()), returned: 3 };
        let cursor = page.cursor_at(&position);
        assert!(cursor.chars().all(|c| c.is_ascii_hexdigit()), "{cursor}");
        let next = read::<Row<AfterProxy>>(&format!("limit=10000&cursor={cursor}")).unwrap();
        assert_eq!((next.limit, next.cursor), (10_000, Some(position)));
        let other = Page::<Row<AfterProxy>>::read(&mut Parameters::parse(&format!("cursor={cursor}")), "tcp");
        assert!(other.is_err());
    }

    #[test]
    fn bad_limits_and_cursors_are_errors() {
        for limit in ["0", "10001", "-1", "x", ""] {
            let problem = read::<usize>(&format!("limit={limit}")).unwrap_err();
            let expected =
                format!("bad value `{limit}` of parameter `limit`: allowed is a number from 1 to 10000");
            assert_eq!(problem, expected);
        }
        for cursor in ["", "7", "zz", "ff", "656467657320", "65646765732078", "é0"] {
            let problem = read::<usize>(&format!("cursor={cursor}")).unwrap_err();
            assert!(problem.contains("`cursor`") && problem.contains("`next_cursor`"), "{problem}");
        }
        assert_eq!(read::<usize>("cursor=6564676573203137").unwrap().cursor, Some(17));
    }
}
