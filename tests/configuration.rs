//! An invalid configuration of the filter logs one clear line, and traffic continues.

use crate::parts;
use hopscope_mesh::mesh::MeshOptions;
use hopscope_mesh::plugin::FilterSettings;
use hopscope_mesh::traffic::{Mix, drive};

/// Checks the one line that Envoy logs for a configuration.
async fn check(configuration: &str, expected: &str) {
    let filter = FilterSettings {
        configuration: configuration.to_owned(),
        ..FilterSettings::reporting(Some(parts::path("HOPSCOPE_MODULE")))
    };
    let options = MeshOptions { filter, ..parts::observed() };
    let mesh = parts::start(MeshOptions { collector: None, ..options }).await;
    let tally = drive(&mesh.client(), 200, &Mix::healthy(), 8).await;
    assert_eq!(tally.normal.with_status(200), 200, "{configuration}: {:?}", tally.normal);
    let log = mesh.envoy("shop-v1").unwrap().log().to_owned();
    let lines = hopscope_mesh::eventually::eventually(expected, parts::BALANCED_WITHIN, async || {
        let log = std::fs::read_to_string(&log).unwrap();
        let warnings = log.lines().filter(|line| line.contains("hopscope: ") && line.contains("[warning]"));
        let warnings: Vec<String> = warnings.map(str::to_owned).collect();
        (!warnings.is_empty()).then_some(warnings)
    });
    let lines = lines.await.unwrap();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines.iter().all(|line| line.contains(expected)), "{lines:?}");
    mesh.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_cluster_that_does_not_exist() {
    check(
        r#"{"collector": {"cluster": "nowhere"}, "report_interval_ms": 200}"#,
        "cannot report: Envoy has no cluster `nowhere`",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_not_json() {
    check(
        "collector: nowhere",
        "the plugin configuration is not valid, nothing is recorded: it is not the JSON that is expected at line 1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key() {
    check(r#"{"collector": {"cluster": "c"}, "report_interval": 200}"#, "`report_interval` is not known; ")
        .await;
}
