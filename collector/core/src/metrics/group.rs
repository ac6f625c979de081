//! Families that have one series per edge: read in slices, visited by family or by series.
//!
//! In: read access to the state of another thread. Out: calls of a visitor. Invariant: one access
//! copies at most [`SLICE`] series, so that ingestion never waits for a scrape; labels are resolved
//! once per series, by family once per series and family.

use super::buckets::{Buckets, Exemplar};
use super::metric::{Metric, Read, extra};
use super::samples::Samples;
use super::visitor::{Labels, Number, Visitor};

/// Series that one access copies, which takes less than 0.1 ms.
pub const SLICE: usize = 128;

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

/// Some series of a stage, and the cursor of the next ones.
#[derive(Debug)]
pub struct Slice<K, T> {
    /// Keys, and the values that were read.
    pub rows: Vec<(K, T)>,
    /// Start of the next slice; `None` after the last one.
    pub next: Option<usize>,
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

    /// Reads up to [`SLICE`] series from a cursor on, and skips those for which `read` returns
    /// `None`. A series that begins or ends between two slices is seen or not.
    fn slice<T>(
        stage: Self::Stage<'_>,
        from: usize,
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
        for Metric { family, read } in G::metrics() {
            to.family(family);
            match *read {
                Read::Count(read) => slices::<G, _, _, _>(
                    source,
                    stage,
                    to,
                    move |series, _| Some((G::created_us(series), read(series)?)),
                    |to, (created_us, count)| to.number(family, None, count.into(), Some(created_us)),
                )?,
                Read::Gauge(read) => slices::<G, _, _, _>(
                    source,
                    stage,
                    to,
                    move |series, _| Some(read(series)),
                    |to, value| to.number(family, None, value, None),
                )?,
                Read::ByLabel(read) => slices::<G, _, _, _>(
                    source,
                    stage,
                    to,
                    move |series, _| some(read(series)).map(|counts| (G::created_us(series), counts)),
                    |to, (created_us, counts)| {
                        for (value, count) in counts {
                            to.number(family, extra(family, value), count.into(), Some(created_us));
                        }
                    },
                )?,
                Read::Histogram(read) => {
                    let native = to.native();
                    let exemplars = family.exemplars;
                    slices::<G, _, _, _>(
                        source,
                        stage,
                        to,
                        move |series, exemplar| {
                            let buckets = read(series, native)?;
                            Some((
                                G::created_us(series),
                                buckets.with_exemplar(exemplar.filter(|_| exemplars)),
                            ))
                        },
                        |to, (created_us, buckets)| to.histogram(family, &buckets, Some(created_us)),
                    )?;
                }
            }
        }
        Some(())
    }

    fn samples(samples: &Samples, to: &mut impl Visitor) {
        samples.by_family(to);
    }
}

fn some<T>(values: Vec<T>) -> Option<Vec<T>> {
    (!values.is_empty()).then_some(values)
}

/// A value of one family, copied from a series.
#[expect(clippy::large_enum_variant, reason = "a box would be one allocation per histogram")]
enum Value {
    Number(Number),
    ByLabel(Vec<(&'static str, u64)>),
    Histogram(Buckets),
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
                let values = G::metrics().iter().map(|metric| value(metric, series, exemplar, native));
                let values: Vec<_> = values.collect();
                values.iter().any(Option::is_some).then(|| (G::created_us(series), values))
            },
            |to, (created_us, values)| {
                for (Metric { family, read }, value) in G::metrics().iter().zip(values) {
                    let created_us = Some(created_us).filter(|_| !matches!(read, Read::Gauge(_)));
                    match value {
                        None => {}
                        Some(Value::Number(value)) => to.number(family, None, value, created_us),
                        Some(Value::Histogram(buckets)) => to.histogram(family, &buckets, created_us),
                        Some(Value::ByLabel(counts)) => {
                            for (value, count) in counts {
                                to.number(family, extra(family, value), count.into(), created_us);
                            }
                        }
                    }
                }
            },
        )
    }

    fn samples(samples: &Samples, to: &mut impl Visitor) {
        samples.by_series(to);
    }
}

fn value<S>(metric: &Metric<S>, series: &S, exemplar: Option<Exemplar>, native: bool) -> Option<Value> {
    let Metric { family, read } = metric;
    match read {
        Read::Count(read) => read(series).map(|count| Value::Number(count.into())),
        Read::Gauge(read) => Some(Value::Number(read(series))),
        Read::ByLabel(read) => some(read(series)).map(Value::ByLabel),
        Read::Histogram(read) => {
            let buckets = read(series, native)?;
            Some(Value::Histogram(buckets.with_exemplar(exemplar.filter(|_| family.exemplars))))
        }
    }
}

/// Calls `emit` for each series that `read` returns something for, with its labels set.
fn slices<G: Group, S: Source, T: Send + 'static, V: Visitor>(
    source: &S,
    stage: fn(&S::State) -> G::Stage<'_>,
    to: &mut V,
    read: impl Fn(&G::Series, Option<Exemplar>) -> Option<T> + Copy + Send + 'static,
    mut emit: impl FnMut(&mut V, T),
) -> Option<()> {
    let mut next = Some(0);
    while let Some(from) = next {
        if to.is_stopped() {
            return None;
        }
        let slice = source.read(move |state| G::slice(stage(state), from, read))?;
        next = slice.next;
        for (key, value) in slice.rows {
            G::labels(&key, |labels| to.series(labels));
            emit(to, value);
        }
    }
    Some(())
}
