//! The demo from a user's command line.

use crate::parts;
use hopscope_mesh::eventually::eventually;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

fn demo(folder: &Path, arguments: &[&str]) -> Child {
    Command::new(parts::path("HOPSCOPE_MESH"))
        .arg("demo")
        .arg("--envoy")
        .arg(parts::path("HOPSCOPE_ENVOY"))
        .arg("--module")
        .arg(parts::path("HOPSCOPE_MODULE"))
        .arg("--collector")
        .arg(parts::path("HOPSCOPE_COLLECTOR"))
        .args(arguments)
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Files in the temporary folder of a demo, and processes that were started from it.
fn leftovers(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().display().to_string());
    let name = folder.display().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = std::fs::read_to_string(entry.ok()?.path().join("cmdline")).ok()?;
        line.contains(&name).then(|| line.replace('\0', " "))
    });
    files.chain(processes).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_prints_one_json_object_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let running = demo(folder.path(), &["--seconds", "8", "--json"]);
    let output = tokio::task::spawn_blocking(|| running.wait_with_output().unwrap()).await.unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for row in document["proxies"].as_array().unwrap() {
        assert!(row["envoy_completed"].as_u64().unwrap() > 0, "{row}");
        assert_eq!(row["envoy_completed"], row["seen"], "{row}");
        assert_eq!(row["unaccounted"], 0, "{row}");
    }
    let edges = document["edges"].as_array().unwrap();
    for flag in ["NR", "NC", "UH", "UO", "UT", "UF", "URX", "DC", "UC"] {
        assert!(document["faults"][flag].as_u64().unwrap() > 0, "{flag} was not caused");
        let reported = edges.iter().filter(|edge| edge["response_flags"] == flag);
        assert!(reported.count() > 0, "{flag} was not reported");
    }
    assert_eq!(leftovers(folder.path()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_stops_the_demo_and_removes_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = demo(folder.path(), &[]);
    let started = eventually("an Envoy runs", Duration::from_secs(60), async || {
        leftovers(folder.path()).iter().any(|line| line.contains("--config-path")).then_some(())
    });
    started.await.unwrap();
    let killed = Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    assert!(killed.success());
    eventually("the end of the demo", Duration::from_secs(60), async || running.try_wait().unwrap())
        .await
        .unwrap();
    assert_eq!(leftovers(folder.path()), [""; 0]);
}
