//! The exposition of a whole collector.

mod strict;

use super::{Page, Scope};
use crate::http::compression::Encoding;
use crate::http::prometheus::Format;
use crate::runtime::engine_cell::EngineCell;
use crate::runtime::engine_handle::EngineHandle;
use crate::runtime::metrics::declared;
use crate::runtime::reader::EngineReader;
use crate::runtime::self_metrics::SelfMetrics;
use flate2::read::GzDecoder;
use hopscope_core::batch::{Batch, Connections, Edge, Flow, Identity, Messages, Outcome, Peer, Record};
use hopscope_core::engine::{Engine, Settings};
use hopscope_core::metrics::Kind;
use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

const PAGE: Page = Page {
    format: Format::OpenMetrics,
    scope: Scope::All,
    encoding: Encoding::Identity,
    created_samples: true,
};

async fn exposition(engine: Engine, page: Page) -> Vec<u8> {
    let state =
        Arc::new(EngineHandle::new(EngineCell::new(engine), None, SelfMetrics::new(None), || 1_061_000_000));
    let (reader, serve) = EngineReader::new(state.clone());
    tokio::spawn(serve);
    let render = move || {
        let mut bytes = Vec::new();
        page.render(&state, &reader, &mut |part| {
            bytes.extend(part);
            true
        });
        bytes
    };
    tokio::task::spawn_blocking(render).await.unwrap()
}

async fn text(engine: Engine, page: Page) -> String {
    String::from_utf8(exposition(engine, page).await).unwrap()
}

/// An engine with requests, connections and streams of this many edges, with exemplars.
fn engine(edges: usize) -> Engine {
    let mut engine = Engine::new(Settings::default());
    let edge = |number: usize| {
        let peer = Peer { workload: format!("w{number}").into(), namespace: "n".into(), ..Peer::default() };
        Arc::new(Edge { peer, ..Edge::default() })
    };
    let record = |edge: usize| Record {
        edge,
        request_id_hash: u32::try_from(edge).unwrap() + 1,
        start_us: 999_000_000,
        duration_us: 1_000 + edge as u64,
        ..Record::default()
    };
    let flow = |edge: usize| Flow { edge, opened: 1, request_bytes: 2, response_bytes: 3 };
    let batch = Batch {
        identity: Some(Identity { workload: "a\"b\\c\nd".into(), ..Identity::default() }),
        edges: (0..edges).map(edge).collect::<Vec<_>>().into(),
        outcomes: vec![Outcome { response_code: 200, ..Outcome::default() }],
        records: (0..edges).map(record).collect(),
        connections: Connections { open: (0..edges).map(flow).collect(), ..Connections::default() },
        streams: (0..edges).map(flow).collect(),
        messages: (0..edges)
            .map(|edge| Messages { edge, request: 1, response: 2, ..Messages::default() })
            .collect(),
        ..Batch::example()
    };
    engine.apply_batch(&batch, 1_000_000_000);
    engine.tick(1_001_000_000);
    engine.tick(1_060_000_000);
    engine
}

#[tokio::test]
async fn a_strict_reader_accepts_every_page_of_openmetrics() {
    for scope in [Scope::All, Scope::Own] {
        for created_samples in [false, true] {
            for edges in [0, 300] {
                let text = text(engine(edges), Page { scope, created_samples, ..PAGE }).await;
                assert_eq!(strict::problems(&text), Vec::<String>::new());
                assert_eq!(text.contains("_created"), created_samples && scope == Scope::All && edges > 0);
            }
        }
    }
}

#[tokio::test]
async fn a_compressed_page_is_the_same_page() {
    let plain = text(engine(500), PAGE).await;
    let compressed = exposition(engine(500), Page { encoding: Encoding::Gzip, ..PAGE }).await;
    assert!(compressed.len() * 10 < plain.len(), "{} and {}", compressed.len(), plain.len());
    let mut decompressed = String::new();
    GzDecoder::new(&compressed[..]).read_to_string(&mut decompressed).unwrap();
    let lines = |text: &str| {
        text.lines().filter(|line| !line.contains("process_")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&decompressed).len(), lines(&plain).len());
    assert!(decompressed.ends_with("# EOF\n"));
}

/// Families without a sample in a collector that has neither TLS nor a journal.
const ABSENT: [&str; 3] = ["hopscope_tls_certificate_", "hopscope_journal_", "hopscope_snapshot"];

#[tokio::test]
async fn an_empty_collector_exports_the_heads_of_all_families() {
    let engine = || Engine::new(Settings::default());
    let text = text(engine(), Page { format: Format::Prometheus, ..PAGE }).await;
    let heads: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let is_absent = |name: &&str| ABSENT.iter().any(|prefix| name.starts_with(prefix));
    let names = declared().into_iter().map(|family| family.name);
    assert_eq!(heads, names.filter(|name| !is_absent(name)).collect());
    assert_eq!(text.matches("# HELP").count(), heads.len());
    let own = super::tests::text(engine(), Page { scope: Scope::Own, ..PAGE }).await;
    assert!(own.ends_with("\n# EOF\n") && own.contains("hopscope_ledger_seen_total 0\n"), "{own}");
    for family in ["requests", "hops", "tcp_connections_opened", "streams"] {
        assert!(!own.contains(&format!("# TYPE hopscope_{family} ")), "{own}");
    }
}

#[test]
fn names_and_help_texts_follow_the_conventions_of_prometheus() {
    let mut names = BTreeSet::new();
    for family in declared() {
        let (name, help) = (family.name, family.help);
        assert!(names.insert(name), "{name} is declared twice");
        assert!(name.starts_with("hopscope_") || name == "process_start_time_seconds", "{name}");
        assert_eq!(name.ends_with("_total"), family.kind == Kind::Counter, "{name}");
        assert!(help.ends_with('.') && help.len() < 120, "{name}: {help}");
        let first = help.chars().next().unwrap();
        assert!(first.is_uppercase() || help.starts_with("gRPC"), "{name}: {help}");
        for unit in ["seconds", "bytes"] {
            let base = name.strip_suffix("_total").unwrap_or(name);
            let has_unit = base.ends_with(&format!("_{unit}"));
            assert!(!has_unit || help.to_lowercase().contains(unit), "{name}: {help}");
        }
    }
}
