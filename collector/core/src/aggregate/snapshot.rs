//! All series in a checkpoint.
//!
//! In: the series, or the bytes of some. Out: the other. Always holds: names are written once; series that an earlier life had
//! room for keep it.

use super::edge_names::Kept;
use super::key::EDGE;
use super::series_budget::tenant;
use super::{Aggregate, Key, NONE, Series, SeriesId};
use crate::batch::{Outcome, Reporter};
use crate::snapshot::codec::{Reader, SnapshotState, SnapshotValue, Unreadable, Writer};
use std::sync::Arc;

/// The counters of a series are fetched so many series before: they stand anywhere in memory.
const AHEAD: usize = 16;

impl SnapshotState for Aggregate {
    fn save(&self, to: &mut Writer) {
        self.names.save(to);
        self.series.len().save(to);
        let mut coming = self.series.iter().skip(AHEAD);
        for (number, entry) in &self.series {
            coming.next().into_iter().for_each(|(_, entry)| entry.series.measure.prefetch());
            match self.edges.get(entry.edge as usize) {
                // By its name: there are far more series than texts.
                Some(edge) => {
                    to.number(EDGE);
                    edge.name.save(to);
                    Outcome::from(entry.outcome).save(to);
                }
                None => self.key(number, entry).unwrap_or(Key::Overflow(Reporter::default())).save(to),
            }
            entry.series.save(to);
        }
        for sum in [self.overflowed, self.expired_series, self.expired_requests] {
            sum.save(to);
        }
    }

    fn restore(&mut self, from: &mut Reader<'_>) -> Result<(), Unreadable> {
        // Series that an earlier life had room for keep it.
        let limits = self.limits.clone();
        (self.limits.series_max, self.limits.namespace_series_max) = (usize::MAX, None);
        let names = Kept::load(from)?;
        for _ in 0..from.count()? {
            let key = match from.number()? {
                EDGE => Key::Edge(Arc::new(names.edge(from)?), Outcome::load(from)?),
                other => Key::load_other(other, from)?,
            };
            let kept = Series::load(from)?;
            let (number, _) = match key {
                Key::Edge(edge, outcome) => {
                    let (reporter, namespace) = (edge.reporter, tenant(&edge).clone());
                    let edge = self.number(&edge);
                    self.series(edge, (reporter, &namespace), outcome, kept.created_us())
                }
                Key::Overflow(reporter) => (SeriesId(self.overflow_of(reporter, kept.created_us())), true),
                Key::TenantOverflow(reporter, namespace) => {
                    let number = self.insert_overflow(kept.created_us()).unwrap_or(NONE);
                    self.tenants.put_overflow(reporter, namespace, number);
                    (SeriesId(number), true)
                }
            };
            if let Some(series) = self.get_mut(number) {
                *series = kept;
            }
        }
        self.limits = limits;
        self.overflowed = SnapshotValue::load(from)?;
        self.expired_series = SnapshotValue::load(from)?;
        self.expired_requests = SnapshotValue::load(from)?;
        Ok(())
    }
}
