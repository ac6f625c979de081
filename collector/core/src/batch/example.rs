//! Example batch for tests.

use super::{Batch, Connections, Details, Edges, EpochId, RejectedRows, Totals};

impl Batch {
    /// Returns the first batch of epoch 1 of proxy `p`, without identity, edges and requests.
    ///
    /// A test names only the fields that matter: `Batch { records, ..Batch::example() }`.
    #[must_use]
    pub fn example() -> Self {
        Self {
            epoch_id: EpochId { proxy: "p".into(), epoch: 1 },
            sequence: 1,
            attempt: 1,
            identity: None,
            totals: Totals::default(),
            edges: Edges::default(),
            outcomes: Vec::new(),
            details: Details::default(),
            records: Vec::new(),
            folds: Vec::new(),
            in_flight: Vec::new(),
            connections: Connections::default(),
            streams: Vec::new(),
            messages: Vec::new(),
            rejected: RejectedRows::default(),
            moved: 0,
        }
    }
}
