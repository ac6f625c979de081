//! Families that have one series per edge: read in slices, visited by family or by series.
//!
//! In: read access to the state of another thread. Out: calls of a visitor. Invariant: one access
//! copies at most [`super::SLICE`] series, so that ingestion never waits for a scrape; labels are resolved
//! once per series, by family once per series and family.

use super::buckets::Exemplar;
use super::metric::Metric;
use super::projection::{Cursor, Slice};
use super::samples::Samples;
use super::value::{Sum, Value};
use super::visitor::{Labels, Visitor};

/// Read access to a state that another thread may own.
pub trait Source {
    /// The state.
    type State: 'static;

    /// Runs a function that copies something of the state. Returns `None` after the owner has gone.
    fn read<T: Send + 'static>(&self, read: impl FnOnce(&Self::State) -> T + Send + 'static) -> Option<T>;
}

/// A state that the reader owns.
#[derive(Debug)]
pub struct Local<'a, S>(pub &'a S);

impl<S: 'static> Source for Local<'_, S> {
    type State = S;

    fn read<T: Send + 'static>(&self, read: impl FnOnce(&S) -> T + Send + 'static) -> Option<T> {
        Some(read(self.0))
    }
}

/// Families that share their series.
pub trait Group: 'static {
    /// Access to the stage that has the series.
    type Stage<'a>;
    /// Values of one series.
    type Series: 'static;
    /// Identity of a series, from which its labels are resolved.
    type Key: Send + 'static;

    /// Declarations.
    fn metrics() -> &'static [Metric<Self::Series>];

    /// Time at which the series began, microseconds since the Unix epoch.
    fn created_us(series: &Self::Series) -> u64;

    /// Reads up to [`super::SLICE`] series or parts of them from a cursor on, and skips those for which
    /// `read` returns `None`. A series that begins or ends between two slices is seen or not.
    fn slice<T>(
        stage: Self::Stage<'_>,
        from: Cursor,
        read: impl Fn(&Self::Series, Option<Exemplar>) -> Option<T>,
    ) -> Slice<Self::Key, T>;

    /// Resolves the labels of a series.
    fn labels(key: &Self::Key, with: impl FnOnce(Labels<'_>));
}

/// Order in which metrics are visited.
pub trait Traversal {
    /// Visits a group. Returns `None` when it ended early: the visitor or the owner of the state
    /// has gone.
    fn group<G: Group, S: Source>(
        source: &S,
        stage: fn(&S::State) -> G::Stage<'_>,
        to: &mut impl Visitor,
    ) -> Option<()>;

    /// Visits samples that were copied together.
    fn samples(samples: &Samples, to: &mut impl Visitor);
}

/// All series of one family, then those of the next.
#[derive(Debug)]
pub struct ByFamily;

/// All families of one series, then those of the next.
#[derive(Debug)]
pub struct BySeries;

impl Traversal for ByFamily {
    fn group<G: Group, S: Source>(
        source: &S,
        stage: fn(&S::State) -> G::Stage<'_>,
        to: &mut impl Visitor,
    ) -> Option<()> {
        let native = to.native();
        for metric in G::metrics() {
            to.family(&metric.family);
            slices::<G, _, _, _>(
                source,
                stage,
                to,
                move |series, exemplar| {
                    Some((G::created_us(series), Value::of(metric, series, exemplar, native)?))
                },
                |to, (created_us, value)| value.visit(metric, created_us, to),
            )?;
        }
        Some(())
    }

    fn samples(samples: &Samples, to: &mut impl Visitor) {
        samples.by_family(to);
    }
}

impl Traversal for BySeries {
    fn group<G: Group, S: Source>(
        source: &S,
        stage: fn(&S::State) -> G::Stage<'_>,
        to: &mut impl Visitor,
    ) -> Option<()> {
        let native = to.native();
        slices::<G, _, _, _>(
            source,
            stage,
            to,
            move |series, exemplar| {
                let values = G::metrics().iter().map(|metric| Value::of(metric, series, exemplar, native));
                let values: Vec<_> = values.collect();
                values.iter().any(Option::is_some).then(|| (G::created_us(series), values))
            },
            |to, (created_us, values)| {
                for (metric, value) in G::metrics().iter().zip(values) {
                    value.into_iter().for_each(|value| value.visit(metric, created_us, to));
                }
            },
        )
    }

    fn samples(samples: &Samples, to: &mut impl Visitor) {
        samples.by_series(to);
    }
}

/// Calls `emit` for each series that `read` returns something for, with its labels set.
fn slices<G: Group, S: Source, T: Sum + Send + 'static, V: Visitor>(
    source: &S,
    stage: fn(&S::State) -> G::Stage<'_>,
    to: &mut V,
    read: impl Fn(&G::Series, Option<Exemplar>) -> Option<T> + Copy + Send + 'static,
    mut emit: impl FnMut(&mut V, T),
) -> Option<()> {
    let mut emit = |(key, value): (G::Key, T), to: &mut V| {
        G::labels(&key, |labels| to.series(labels));
        emit(to, value);
    };
    let mut next = Some(Cursor::default());
    // The last series, of which the next slice may have further parts.
    let mut last = None;
    while let Some(from) = next {
        if to.is_stopped() {
            return None;
        }
        let slice = source.read(move |state| G::slice(stage(state), from, read))?;
        next = slice.next;
        if slice.is_reread {
            last = None;
        }
        for (key, value) in slice.rows {
            match (key, &mut last) {
                (Some(key), _) => last.replace((key, value)).into_iter().for_each(|row| emit(row, to)),
                (None, Some((_, sum))) => sum.add(value),
                (None, None) => {}
            }
        }
    }
    last.into_iter().for_each(|row| emit(row, to));
    Some(())
}
