//! Commands of the program on unusual outputs and inputs.

#![expect(clippy::unwrap_used, reason = "a harness fails loudly, as its tests do")]

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

fn hopscope(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hopscope"));
    command.env_clear().args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command against a collector that gives one answer to every request.
fn ask(arguments: &[&str], status: &str, body: &str) -> Output {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4_096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    hopscope(arguments).args(["--collector", &address]).output().unwrap()
}

#[track_caller]
fn assert_harmless(output: &Output) {
    for bytes in [&output.stdout, &output.stderr] {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let shown = hopscope::terminal::visible_lines(&text);
        assert_eq!(shown, text, "no control characters");
    }
}

#[test]
fn a_full_output_is_a_failure() {
    for arguments in [&["schema"][..], &["config"], &["explain"], &["explain", "--json"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = hopscope(arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("failed to write to standard output"), "{text}");
    }
}

#[test]
fn an_invalid_port_is_refused() {
    for url in ["http://127.0.0.1:99999", "http://127.0.0.1:0", "http://127.0.0.1:x"] {
        let output = hopscope(&["edges", "--collector", url]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{url}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("1 to 65535") || text.contains("http://HOST:PORT"), "{text}");
    }
}

#[test]
fn names_from_the_wire_do_not_control_the_terminal() {
    const EVIL: &str = "pay\\u001b]52;c;cm0=\\u0007\\nforged\\u202e\\u200b\u{9b}2J";
    let row = format!(r#"{{"proxy":"{EVIL}","state":"{EVIL}","drops":{{"{EVIL}":1}},"reporter":"{EVIL}"}}"#);
    let filter =
        format!(r#"{{"filter_version":"{EVIL}","config_hash":"{EVIL}","proxies":1,"named":["{EVIL}"]}}"#);
    let body = format!(
        r#"{{"proxies":[{row}],"filters":[{filter},{filter}],"edges":[],"connections":[],"long":[],"failures":[]}}"#
    );
    for arguments in [&["audit"][..], &["audit", "--json"], &["in-flight"], &["in-flight", "--json"]] {
        let output = ask(arguments, "200 OK", &body);
        assert_harmless(&output);
    }
    for (status, body) in
        [("500 x", "\u{1b}[2J\u{202e}x"), ("200 OK", "{\"edges\":\"\u{1b}[2J\"}"), ("200 OK", "\u{1b}")]
    {
        let output = ask(&["edges"], status, body);
        assert_eq!(output.status.code(), Some(2));
        assert_harmless(&output);
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hopscope.yaml");
    fs::write(
        &file,
        "\"\\e[2Jlisten\\u202e\\nx\": 1\nlisten: {\"\\e]0;x\\a\": 1, grpc_address: \"\\e[2J\"}\n",
    )
    .unwrap();
    for arguments in
        [&["validate"][..], &["validate", "--json"], &["serve", "--config"], &["config", "--config"]]
    {
        let output = hopscope(arguments).arg(&file).output().unwrap();
        assert!(!output.status.success());
        assert_harmless(&output);
    }
}
