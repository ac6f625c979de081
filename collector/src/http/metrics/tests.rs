//! The exposition of a whole collector.

use super::{What, render};
use crate::http::prometheus::Format;
use crate::runtime::engine_cell::EngineCell;
use crate::runtime::engine_handle::EngineHandle;
use crate::runtime::metrics::declared;
use crate::runtime::reader::EngineReader;
use crate::runtime::self_metrics::SelfMetrics;
use hopscope_core::engine::{Engine, Settings};
use hopscope_core::metrics::Kind;
use std::collections::BTreeSet;
use std::sync::Arc;

async fn exposition(engine: Engine, format: Format, what: What) -> Vec<u8> {
    let state =
        Arc::new(EngineHandle::new(EngineCell::new(engine), None, SelfMetrics::new(None), || 1_061_000_000));
    let (reader, serve) = EngineReader::new(state.clone());
    tokio::spawn(serve);
    let render = move || {
        let mut bytes = Vec::new();
        render(&state, &reader, format, what, &mut |part| {
            bytes.extend(part);
            true
        });
        bytes
    };
    tokio::task::spawn_blocking(render).await.unwrap()
}

/// Families without a sample in a collector that has neither TLS nor a journal.
const ABSENT: [&str; 3] = ["hopscope_tls_certificate_", "hopscope_journal_", "hopscope_snapshot"];

#[tokio::test]
async fn an_empty_collector_exports_the_heads_of_all_families() {
    let engine = || Engine::new(Settings::default());
    let text = String::from_utf8(exposition(engine(), Format::Prometheus, What::All).await).unwrap();
    let heads: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let is_absent = |name: &&str| ABSENT.iter().any(|prefix| name.starts_with(prefix));
    let names = declared().into_iter().map(|family| family.name);
    assert_eq!(heads, names.filter(|name| !is_absent(name)).collect());
    assert_eq!(text.matches("# HELP").count(), heads.len());
    let own = String::from_utf8(exposition(engine(), Format::OpenMetrics, What::Own).await).unwrap();
    assert!(own.ends_with("\n# EOF\n") && own.contains("hopscope_ledger_seen_total 0\n"), "{own}");
    assert!(!own.contains("hopscope_requests ") && !own.contains("hopscope_hops "), "{own}");
}

#[test]
fn names_and_help_texts_follow_the_conventions_of_prometheus() {
    let mut names = BTreeSet::new();
    for family in declared() {
        let (name, help) = (family.name, family.help);
        assert!(names.insert(name), "{name} is declared twice");
        assert!(name.starts_with("hopscope_"), "{name}");
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
