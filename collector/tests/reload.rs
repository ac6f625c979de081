//! Reloads of a real process: by SIGHUP, and by the swap with which Kubernetes changes a mounted
//! `ConfigMap`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a harness fails loudly, as its tests do")]

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(20);

/// Ports of the system, for every file.
const LISTEN: &str = "listen: {grpc_address: '127.0.0.1:0', http_address: '127.0.0.1:0'}\n";

fn write(file: &Path, text: &str) {
    fs::write(file, format!("{LISTEN}{text}")).unwrap();
}

/// Collector in a process of its own; killed when dropped.
struct Collector {
    child: Child,
    lines: Receiver<String>,
    http: String,
}

impl Collector {
    fn start(file: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hopscope"))
            .env_clear()
            .env("NO_COLOR", "1")
            .args(["serve", "--config"])
            .arg(file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        // The end of the process closes the pipe, which ends the thread.
        std::thread::spawn(move || {
            errors.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let mut collector = Self { child, lines, http: String::new() };
        let ready = collector.line("ready");
        collector.http = ready.split("http=").nth(1).unwrap().trim().to_owned();
        collector
    }

    /// Next line of the log with this text.
    #[track_caller]
    fn line(&self, text: &str) -> String {
        let end = Instant::now() + DEADLINE;
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if line.contains(text) {
                return line;
            }
            seen.push(line);
        }
        panic!("no {text:?} in {seen:#?}")
    }

    fn hangup(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
    }

    fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[track_caller]
    fn check(&self, samples: &[&str]) {
        // The log line of a reload precedes its effect.
        let start = Instant::now();
        loop {
            let metrics = self.metrics();
            let missing = samples.iter().find(|sample| !metrics.lines().any(|line| line == **sample));
            let Some(missing) = missing else { return };
            assert!(start.elapsed() < DEADLINE, "no {missing} in {metrics}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops the collector with SIGTERM.
    fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // The process has ended after `stop`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn sighup_applies_live_settings_and_an_invalid_file_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hopscope.yaml");
    write(&file, "aggregate:\n  series_max: 7\n");
    let collector = Collector::start(&file);
    collector.check(&[
        "hopscope_config_value{setting=\"aggregate.series_max\"} 7",
        "hopscope_config_reload_success 1",
        "hopscope_config_reloads_total{result=\"applied\"} 0",
    ]);

    write(&file, "aggregate:\n  series_max: 8\nidentity: {pending_ms_max: 5}\n");
    collector.hangup();
    let line = collector.line("reloaded");
    assert!(line.contains("identity.pending_ms_max, aggregate.series_max"), "{line}");
    collector.check(&[
        "hopscope_config_value{setting=\"aggregate.series_max\"} 8",
        "hopscope_config_value{setting=\"identity.pending_ms_max\"} 5",
        "hopscope_config_reloads_total{result=\"applied\"} 1",
    ]);

    write(&file, "aggregate:\n  series_max: 9\n  series: 1\n");
    collector.hangup();
    let line = collector.line("failed to reload; the old settings stay in force");
    assert!(line.contains("hopscope.yaml:4:3: aggregate.series is an unknown setting"), "{line}");
    collector.check(&[
        "hopscope_config_value{setting=\"aggregate.series_max\"} 8",
        "hopscope_config_reload_success 0",
        "hopscope_config_reloads_total{result=\"rejected\"} 1",
    ]);

    write(&file, "aggregate:\n  series_max: 8\nidentity: {pending_ms_max: 5}\n");
    collector.hangup();
    collector.line("no changes");
    collector.check(&[
        "hopscope_config_reload_success 1",
        "hopscope_config_reloads_total{result=\"unchanged\"} 1",
    ]);
    collector.stop();
}

/// The layout of kubelet: the file is a link into `..data`, which is a link to a directory that is
/// replaced atomically.
#[test]
fn the_swap_of_a_config_map_is_a_reload() {
    let directory = tempfile::tempdir().unwrap();
    let mount = directory.path();
    let publish = |version: &str, text: &str| {
        fs::create_dir(mount.join(version)).unwrap();
        write(&mount.join(version).join("hopscope.yaml"), text);
        symlink(version, mount.join("..data_tmp")).unwrap();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    publish("..1", "grpc: {message_bytes_max: 2000}\n");
    symlink("..data/hopscope.yaml", mount.join("hopscope.yaml")).unwrap();
    let collector = Collector::start(&mount.join("hopscope.yaml"));

    publish("..2", "grpc: {message_bytes_max: 3000}\n");
    fs::remove_dir_all(mount.join("..1")).unwrap();
    let line = collector.line("reloaded");
    assert!(line.contains("grpc.message_bytes_max"), "{line}");
    collector.check(&["hopscope_config_value{setting=\"grpc.message_bytes_max\"} 3000"]);

    publish("..3", "grpc: {message_bytes_max: nonsense}\n");
    collector.line("failed to reload");
    collector.check(&[
        "hopscope_config_value{setting=\"grpc.message_bytes_max\"} 3000",
        "hopscope_config_reload_success 0",
        "hopscope_config_reloads_total{result=\"rejected\"} 1",
    ]);
    collector.stop();
}

#[test]
fn a_setting_that_needs_a_restart_is_logged_and_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hopscope.yaml");
    write(&file, "");
    let collector = Collector::start(&file);
    fs::write(&file, "listen: {http_address: '127.0.0.1:0', grpc_address: '127.0.0.1:1'}").unwrap();
    collector.hangup();
    let line = collector.line("needs a restart");
    assert!(line.contains("listen.grpc_address"), "{line}");
    collector.check(&["hopscope_config_restart_pending 1", "hopscope_config_reload_success 1"]);
    write(&file, "");
    collector.hangup();
    collector.line("no changes");
    collector.check(&["hopscope_config_restart_pending 0"]);
    collector.stop();
}

#[test]
fn a_file_that_became_a_fifo_is_refused_and_a_later_file_is_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hopscope.yaml");
    write(&file, "aggregate:\n  series_max: 7\n");
    let collector = Collector::start(&file);
    fs::remove_file(&file).unwrap();
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    collector.hangup();
    collector.line("it is no regular file");
    collector.check(&["hopscope_config_reload_success 0"]);
    fs::remove_file(&file).unwrap();
    write(&file, "aggregate:\n  series_max: 8\n");
    collector.check(&["hopscope_config_value{setting=\"aggregate.series_max\"} 8"]);
    collector.stop();
}
