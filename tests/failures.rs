//! A failed request is found by its request id.

use crate::parts;
use hopscope_mesh::fault::Fault;
use hopscope_mesh::mesh::{Mesh, MeshOptions};
use serde_json::Value;
use std::process::{Command, Output};

/// Runs `hopscope` against the collector of a mesh.
fn hopscope(mesh: &Mesh, arguments: &[&str]) -> Output {
    let collector = format!("http://{}", mesh.collector().unwrap().http());
    let command = Command::new(parts::path("HOPSCOPE_COLLECTOR"))
        .args(arguments)
        .args(["--collector", &collector])
        .output();
    command.unwrap()
}

/// Formats each row as `reporter source destination code flags details`.
fn text(rows: &[Value]) -> Vec<String> {
    let line = |row: &Value| {
        let columns = [
            "reporter",
            "source_workload",
            "destination_workload",
            "response_code",
            "response_flags",
            "code_details",
        ];
        columns.map(|column| row[column].as_str().unwrap()).join(" ")
    };
    rows.iter().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_request_is_shown_by_its_id_with_every_side_that_reported_the_failure() {
    let mesh = parts::start(MeshOptions { log_requests: true, ..parts::observed() }).await;
    mesh.client().request(Some(Fault::Ut)).await;
    mesh.client().request(None).await;
    mesh.balanced(parts::BALANCED_WITHIN).await.unwrap();
    let log = std::fs::read_to_string(mesh.request_log("gateway-v1")).unwrap();
    let requests: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let id = |failed: bool| {
        let request = requests.iter().find(|request| request["fault"].is_string() == failed).unwrap();
        request["request_id"].as_str().unwrap()
    };

    let shown = hopscope(&mesh, &["show", id(true), "--json"]);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let rows: Vec<Value> = serde_json::from_slice(&shown.stdout).unwrap();
    let expected = [
        "source gateway shop 504 - via_upstream",
        "destination gateway shop 504 - via_upstream",
        "source shop payments 504 UT response_timeout",
    ];
    let rows = text(&rows);
    for line in expected {
        assert!(rows.iter().any(|row| row == line), "{line} is not among {rows:#?}");
    }

    let tail = hopscope(&mesh, &["tail", "--no-follow", "--json", "--flag", "UT"]);
    let tail = String::from_utf8(tail.stdout).unwrap();
    let rows: Vec<Value> = tail.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(text(&rows), ["source shop payments 504 UT response_timeout"]);

    let other = hopscope(&mesh, &["show", id(false)]);
    assert_eq!((other.status.code(), other.stdout.len()), (Some(1), 0), "a successful request is not stored");
    mesh.stop().await.unwrap();
}
