//! Edge table of a batch: rows of indexes into a text table, as on the wire.
//!
//! In: texts that stay in the message buffer, and rows that refer to them.
//! Out: the [`Edge`] of a row, built on request; most edges are already known by their
//! [`EdgeFingerprint`].
//! Invariant: equal edges have equal fingerprints in every message.

use super::edge::{Edge, Evidence, Peer, Reporter, Service};
use crate::text::Text;
use prost::bytes::Bytes;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, LazyLock};

/// Number of texts of an edge. A new text needs a variant of [`TextField`] and a line in
/// [`Edges::get`] and [`texts_of`].
pub(crate) const TEXTS: usize = 14;

/// Text field of an edge.
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
pub(crate) enum TextField {
    PeerWorkload,
    PeerNamespace,
    PeerApp,
    PeerVersion,
    PeerCanonicalService,
    PeerCanonicalRevision,
    PeerCluster,
    PeerAddress,
    PeerPrincipal,
    LocalPrincipal,
    ServiceHost,
    ServiceName,
    ServiceNamespace,
    Subset,
}

/// Fingerprint of an edge: a 128-bit hash of its content.
///
/// The hash keys are random for each process run, so that a client cannot craft two edges with the
/// same fingerprint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct EdgeFingerprint(pub(crate) u64, pub(crate) u64);

type Keys = foldhash::quality::RandomState;

static KEYS: LazyLock<(Keys, Keys)> = LazyLock::new(Default::default);

impl EdgeFingerprint {
    /// Returns the fingerprint of a text.
    #[inline]
    pub(crate) fn of(text: &[u8]) -> Self {
        let hash = |keys: &Keys| {
            let mut hasher = keys.build_hasher();
            hasher.write(text);
            hasher.finish()
        };
        let (one, other) = &*KEYS;
        Self(hash(one), hash(other))
    }

    fn of_row(parts: impl Iterator<Item = Self>, rest: u32) -> Self {
        let (one, other) = &*KEYS;
        let (mut left, mut right) = (one.build_hasher(), other.build_hasher());
        for part in parts {
            left.write_u64(part.0);
            right.write_u64(part.1);
        }
        left.write_u32(rest);
        right.write_u32(rest);
        Self(left.finish(), right.finish())
    }
}

/// Attributes of an edge that are not texts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes {
    pub(crate) reporter: Reporter,
    pub(crate) mutual_tls: bool,
    pub(crate) evidence: Evidence,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    texts: [u32; TEXTS],
    attributes: Attributes,
    fingerprint: EdgeFingerprint,
}

/// Position of a text in the message: first byte and length.
pub(crate) type Span = (u32, u32);

/// Edge table of a batch.
#[derive(Debug, Clone, Default)]
pub struct Edges {
    bytes: Bytes,
    spans: Vec<Span>,
    rows: Vec<Row>,
}

impl Edges {
    /// Creates a table without rows. `spans` are positions of UTF-8 texts in `bytes`; `rows` is
    /// the initial capacity.
    pub(crate) fn new(bytes: Bytes, spans: Vec<Span>, rows: usize) -> Self {
        Self { bytes, spans, rows: Vec::with_capacity(rows) }
    }

    /// Returns the fingerprint of every text.
    pub(crate) fn text_fingerprints(&self) -> Vec<EdgeFingerprint> {
        (0..self.spans.len()).map(|index| EdgeFingerprint::of(self.text(index).as_bytes())).collect()
    }

    /// Appends a row. `fingerprints` are the fingerprints of all texts. Returns `false` when the
    /// row refers to a missing text.
    #[inline]
    pub(crate) fn push(
        &mut self,
        attributes: Attributes,
        texts: [u32; TEXTS],
        fingerprints: &[EdgeFingerprint],
    ) -> bool {
        let mut is_complete = true;
        let parts = texts.iter().map(|text| {
            let fingerprint = fingerprints.get(*text as usize);
            is_complete &= fingerprint.is_some();
            fingerprint.copied().unwrap_or_default()
        });
        let Attributes { reporter, mutual_tls, evidence } = attributes;
        let rest = reporter as u32 | (evidence as u32) << 8 | u32::from(mutual_tls) << 16;
        let fingerprint = EdgeFingerprint::of_row(parts, rest);
        self.rows.push(Row { texts, attributes, fingerprint });
        is_complete
    }

    /// Returns the position of a text in the message.
    pub(crate) fn span(&self, text: usize) -> Option<Span> {
        self.spans.get(text).copied()
    }

    /// Returns the number of edges.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the table has no edges.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the reporting side of an edge.
    #[must_use]
    pub fn reporter(&self, index: usize) -> Option<Reporter> {
        self.rows.get(index).map(|row| row.attributes.reporter)
    }

    /// Returns the fingerprint of an edge.
    #[must_use]
    pub fn fingerprint(&self, index: usize) -> Option<EdgeFingerprint> {
        self.rows.get(index).map(|row| row.fingerprint)
    }

    /// Returns the address of the peer; empty when it was not reported.
    #[must_use]
    pub fn peer_address(&self, index: usize) -> &str {
        let row = self.rows.get(index);
        let text = row.and_then(|row| row.texts.get(TextField::PeerAddress as usize));
        text.map_or("", |text| self.text(*text as usize))
    }

    /// Builds an edge.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Arc<Edge>> {
        let Row { texts, attributes, .. } = self.rows.get(index)?;
        let text = |field: TextField| -> Text {
            let text = texts.get(field as usize).map_or("", |text| self.text(*text as usize));
            if text.is_empty() { Text::default() } else { text.into() }
        };
        Some(Arc::new(Edge {
            reporter: attributes.reporter,
            peer: Peer {
                workload: text(TextField::PeerWorkload),
                namespace: text(TextField::PeerNamespace),
                app: text(TextField::PeerApp),
                version: text(TextField::PeerVersion),
                canonical_service: text(TextField::PeerCanonicalService),
                canonical_revision: text(TextField::PeerCanonicalRevision),
                cluster: text(TextField::PeerCluster),
                address: text(TextField::PeerAddress),
                principal: text(TextField::PeerPrincipal),
            },
            local_principal: text(TextField::LocalPrincipal),
            mutual_tls: attributes.mutual_tls,
            service: Service {
                host: text(TextField::ServiceHost),
                name: text(TextField::ServiceName),
                namespace: text(TextField::ServiceNamespace),
                subset: text(TextField::Subset),
                evidence: attributes.evidence,
            },
        }))
    }

    /// Builds all edges, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = Arc<Edge>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// Removes all but the first `count` edges.
    pub fn truncate(&mut self, count: usize) {
        self.rows.truncate(count);
    }

    fn text(&self, index: usize) -> &str {
        let (start, length) = self.spans.get(index).copied().unwrap_or_default();
        let bytes = self.bytes.get(start as usize..).and_then(|rest| rest.get(..length as usize));
        std::str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    }
}

/// Returns the texts of an edge in the order of [`TextField`].
fn texts_of(edge: &Edge) -> [&Text; TEXTS] {
    let Edge { peer, service, .. } = edge;
    [
        &peer.workload,
        &peer.namespace,
        &peer.app,
        &peer.version,
        &peer.canonical_service,
        &peer.canonical_revision,
        &peer.cluster,
        &peer.address,
        &peer.principal,
        &edge.local_principal,
        &service.host,
        &service.name,
        &service.namespace,
        &service.subset,
    ]
}

impl From<Vec<Arc<Edge>>> for Edges {
    fn from(edges: Vec<Arc<Edge>>) -> Self {
        let mut bytes = Vec::new();
        let mut spans = Vec::new();
        let mut known: HashMap<&Text, u32> = HashMap::new();
        let mut rows = Vec::with_capacity(edges.len());
        for edge in &edges {
            rows.push(texts_of(edge).map(|text| {
                *known.entry(text).or_insert_with(|| {
                    spans.push((length(&bytes), length(text.as_bytes())));
                    bytes.extend_from_slice(text.as_bytes());
                    length(&spans) - 1
                })
            }));
        }
        let mut table = Self::new(bytes.into(), spans, rows.len());
        let fingerprints = table.text_fingerprints();
        for (edge, texts) in edges.iter().zip(rows) {
            let attributes = Attributes {
                reporter: edge.reporter,
                mutual_tls: edge.mutual_tls,
                evidence: edge.service.evidence,
            };
            table.push(attributes, texts, &fingerprints);
        }
        table
    }
}

/// Returns a length as 32 bits: a batch is far smaller than 4 GiB.
fn length<T>(all: &[T]) -> u32 {
    u32::try_from(all.len()).unwrap_or(u32::MAX)
}

impl PartialEq for Edges {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.iter().eq(other.iter())
            && self.rows.iter().map(|row| row.fingerprint).eq(other.rows.iter().map(|row| row.fingerprint))
    }
}

#[cfg(test)]
mod tests {
    use super::Edges;
    use crate::batch::{Edge, Peer, Reporter, Service};
    use std::collections::HashSet;
    use std::sync::Arc;

    #[test]
    fn edges_round_trip_and_have_distinct_fingerprints() {
        let named = |name: &str| Peer { workload: name.into(), ..Peer::default() };
        let edges: Vec<Arc<Edge>> = [
            Edge::default(),
            Edge { peer: named("a"), ..Edge::default() },
            Edge { peer: Peer { namespace: "a".into(), ..Peer::default() }, ..Edge::default() },
            Edge { peer: named("a"), reporter: Reporter::Destination, ..Edge::default() },
            Edge { peer: named("a"), mutual_tls: true, ..Edge::default() },
            Edge {
                peer: named("a"),
                service: Service { host: "é.b".into(), name: "a".into(), ..Service::default() },
                ..Edge::default()
            },
        ]
        .map(Arc::new)
        .to_vec();
        let table = Edges::from(edges.clone());
        assert!(table.iter().eq(edges.iter().cloned()));
        let fingerprints: HashSet<_> = (0..table.len()).map(|index| table.fingerprint(index)).collect();
        assert_eq!(fingerprints.len(), edges.len());
        let alone = Edges::from(edges[5..].to_vec());
        assert_eq!((alone.fingerprint(0), alone.get(1)), (table.fingerprint(5), None));
    }
}
