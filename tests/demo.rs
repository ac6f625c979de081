//! The demo, as a user runs it.

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

/// What is left of a demo: files in its folder for temporary things, and programs that were started from there.
fn remains(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().display().to_string());
    let name = folder.display().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = std::fs::read_to_string(entry.ok()?.path().join("cmdline")).ok()?;
        line.contains(&name).then(|| line.replace('\0', " "))
    });
    files.chain(processes).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_one_json_object_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let running = demo(folder.path(), &["--seconds", "8", "--json"]);
    let output = tokio::task::spawn_blocking(|| running.wait_with_output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for row in told["proxies"].as_array().unwrap() {
        assert!(row["envoy_completed"].as_u64().unwrap() > 0, "{row}");
        assert_eq!(row["envoy_completed"], row["seen"], "{row}");
        assert_eq!(row["unaccounted"], 0, "{row}");
    }
    let edges = told["edges"].as_array().unwrap();
    for flag in ["NR", "NC", "UH", "UO", "UT", "UF", "URX", "DC", "UC"] {
        assert!(told["faults"][flag].as_u64().unwrap() > 0, "{flag} was not caused");
        let told = edges.iter().filter(|edge| edge["response_flags"] == flag);
        assert!(told.count() > 0, "{flag} was not told");
    }
    assert_eq!(remains(folder.path()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_stops_and_removes_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = demo(folder.path(), &[]);
    let started = eventually("an Envoy runs", Duration::from_secs(60), async || {
        remains(folder.path()).iter().any(|line| line.contains("--config-path")).then_some(())
    });
    started.await.unwrap();
    let killed = Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    assert!(killed.success());
    eventually("the end of the demo", Duration::from_secs(60), async || running.try_wait().unwrap())
        .await
        .unwrap();
    assert_eq!(remains(folder.path()), [""; 0]);
}
