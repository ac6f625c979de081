//! The edges of a batch, as they were told: rows of numbers into a table of texts.
//!
//! In: texts that stand in the message itself, and rows that refer to them. Out: the [`Edge`] of a row, made when somebody
//! asks; most are known by their [`EdgeFingerprint`] already. Always holds: a row refers to texts that are there; equal edges have equal
//! prints, whatever else stood in their messages.

use super::{Edge, Evidence, Peer, Reporter, Service, Text};
use prost::bytes::Bytes;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, LazyLock};

/// Texts of an edge. A new one is a new name in [`Place`], and a line in [`Edges::get`] and [`texts_of`].
pub(crate) const TEXTS: usize = 14;

/// Which text of an edge.
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
pub(crate) enum Place {
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

/// What stands for the content of an edge within this process: 128 bits under keys of chance, so that whoever makes up edges
/// cannot make two that share one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct EdgeFingerprint(pub(crate) u64, pub(crate) u64);

type Keys = foldhash::quality::RandomState;

static KEYS: LazyLock<(Keys, Keys)> = LazyLock::new(Default::default);

impl EdgeFingerprint {
    /// That of a text.
    #[inline]
    pub(crate) fn of(text: &[u8]) -> Self {
        let print = |keys: &Keys| {
            let mut hasher = keys.build_hasher();
            hasher.write(text);
            hasher.finish()
        };
        let (one, other) = &*KEYS;
        Self(print(one), print(other))
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

/// What of a row is no text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) reporter: Reporter,
    pub(crate) mutual_tls: bool,
    pub(crate) evidence: Evidence,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    texts: [u32; TEXTS],
    kind: Kind,
    print: EdgeFingerprint,
}

/// Where a text stands: first byte and length.
pub(crate) type Span = (u32, u32);

/// See above.
#[derive(Debug, Clone, Default)]
pub struct Edges {
    bytes: Bytes,
    spans: Vec<Span>,
    rows: Vec<Row>,
}

impl Edges {
    /// No rows yet, for texts that stand in `bytes` and are UTF-8.
    pub(crate) fn new(bytes: Bytes, spans: Vec<Span>, rows: usize) -> Self {
        Self { bytes, spans, rows: Vec::with_capacity(rows) }
    }

    /// The print of every text.
    pub(crate) fn prints(&self) -> Vec<EdgeFingerprint> {
        (0..self.spans.len()).map(|place| EdgeFingerprint::of(self.text(place).as_bytes())).collect()
    }

    /// Appends a row. `prints`: those of the texts. `false` when a text is not there.
    #[inline]
    pub(crate) fn push(&mut self, kind: Kind, texts: [u32; TEXTS], prints: &[EdgeFingerprint]) -> bool {
        let mut there = true;
        let parts = texts.iter().map(|text| {
            let print = prints.get(*text as usize);
            there &= print.is_some();
            print.copied().unwrap_or_default()
        });
        let rest = kind.reporter as u32 | (kind.evidence as u32) << 8 | u32::from(kind.mutual_tls) << 16;
        let print = EdgeFingerprint::of_row(parts, rest);
        self.rows.push(Row { texts, kind, print });
        there
    }

    /// Where a text stands.
    pub(crate) fn span(&self, text: usize) -> Option<Span> {
        self.spans.get(text).copied()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Which side tells of an edge.
    #[must_use]
    pub fn reporter(&self, place: usize) -> Option<Reporter> {
        self.rows.get(place).map(|row| row.kind.reporter)
    }

    /// What stands for an edge.
    #[must_use]
    pub fn print(&self, place: usize) -> Option<EdgeFingerprint> {
        self.rows.get(place).map(|row| row.print)
    }

    /// The address of the other side; empty where it was not told.
    #[must_use]
    pub fn peer_address(&self, place: usize) -> &str {
        let row = self.rows.get(place);
        let text = row.and_then(|row| row.texts.get(Place::PeerAddress as usize));
        text.map_or("", |text| self.text(*text as usize))
    }

    /// An edge.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<Arc<Edge>> {
        let Row { texts, kind, .. } = self.rows.get(place)?;
        let text = |place: Place| -> Text {
            let text = texts.get(place as usize).map_or("", |text| self.text(*text as usize));
            if text.is_empty() { Text::default() } else { text.into() }
        };
        Some(Arc::new(Edge {
            reporter: kind.reporter,
            peer: Peer {
                workload: text(Place::PeerWorkload),
                namespace: text(Place::PeerNamespace),
                app: text(Place::PeerApp),
                version: text(Place::PeerVersion),
                canonical_service: text(Place::PeerCanonicalService),
                canonical_revision: text(Place::PeerCanonicalRevision),
                cluster: text(Place::PeerCluster),
                address: text(Place::PeerAddress),
                principal: text(Place::PeerPrincipal),
            },
            local_principal: text(Place::LocalPrincipal),
            mutual_tls: kind.mutual_tls,
            service: Service {
                host: text(Place::ServiceHost),
                name: text(Place::ServiceName),
                namespace: text(Place::ServiceNamespace),
                subset: text(Place::Subset),
                evidence: kind.evidence,
            },
        }))
    }

    /// All edges, each made anew.
    pub fn iter(&self) -> impl Iterator<Item = Arc<Edge>> + '_ {
        (0..self.len()).filter_map(|place| self.get(place))
    }

    /// Leaves the first `count`.
    pub fn truncate(&mut self, count: usize) {
        self.rows.truncate(count);
    }

    fn text(&self, place: usize) -> &str {
        let (start, length) = self.spans.get(place).copied().unwrap_or_default();
        let bytes = self.bytes.get(start as usize..).and_then(|rest| rest.get(..length as usize));
        std::str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    }
}

/// In the order of [`Place`].
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
        let mut it = Self::new(bytes.into(), spans, rows.len());
        let prints = it.prints();
        for (edge, texts) in edges.iter().zip(rows) {
            let kind = Kind {
                reporter: edge.reporter,
                mutual_tls: edge.mutual_tls,
                evidence: edge.service.evidence,
            };
            it.push(kind, texts, &prints);
        }
        it
    }
}

/// A batch is far smaller than 4 GiB.
fn length<T>(all: &[T]) -> u32 {
    u32::try_from(all.len()).unwrap_or(u32::MAX)
}

impl PartialEq for Edges {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.iter().eq(other.iter())
            && self.rows.iter().map(|row| row.print).eq(other.rows.iter().map(|row| row.print))
    }
}

#[cfg(test)]
mod tests {
    use super::Edges;
    use crate::batch::{Edge, Peer, Reporter, Service};
    use std::collections::HashSet;
    use std::sync::Arc;

    #[test]
    fn an_edge_comes_out_as_it_went_in_and_has_a_print_of_its_own() {
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
        let told = Edges::from(edges.clone());
        assert!(told.iter().eq(edges.iter().cloned()));
        let prints: HashSet<_> = (0..told.len()).map(|place| told.print(place)).collect();
        assert_eq!(prints.len(), edges.len());
        let alone = Edges::from(edges[5..].to_vec());
        assert_eq!((alone.print(0), alone.get(1)), (told.print(5), None));
    }
}
