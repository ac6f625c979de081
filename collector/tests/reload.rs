//! Reloads of a real process: by SIGHUP, and by the swap with which Kubernetes changes a mounted `ConfigMap`.

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

/// Whatever else is in a file, ports are chosen by the system.
const LISTEN: &str = "listen: {grpc_address: '127.0.0.1:0', http_address: '127.0.0.1:0'}\n";

fn write(file: &Path, text: &str) {
    fs::write(file, format!("{LISTEN}{text}")).unwrap();
}

/// A collector as a process of its own, killed when dropped.
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
        // Ends with the process, whose end closes the pipe.
        std::thread::spawn(move || {
            errors.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let mut collector = Self { child, lines, http: String::new() };
        let ready = collector.line("ready");
        collector.http = ready.split("http=").nth(1).unwrap().trim().to_owned();
        collector
    }

    /// The next line of the log that contains a text.
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
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[track_caller]
    fn check(&self, samples: &[&str]) {
        // A reload logs first what it found and then what it did.
        let start = Instant::now();
        loop {
            let metrics = self.metrics();
            let missing = samples.iter().find(|sample| !metrics.lines().any(|line| line == **sample));
            let Some(missing) = missing else { return };
            assert!(start.elapsed() < DEADLINE, "no {missing} in {metrics}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// It ends in order.
    fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // Already gone after `stop`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn sighup_changes_what_can_change_and_a_bad_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hopscope.yaml");
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
        "hopscope_config_reloads_total{result=\"refused\"} 1",
    ]);

    write(&file, "aggregate:\n  series_max: 8\nidentity: {pending_ms_max: 5}\n");
    collector.hangup();
    collector.line("nothing to change");
    collector.check(&[
        "hopscope_config_reload_success 1",
        "hopscope_config_reloads_total{result=\"unchanged\"} 1",
    ]);
    collector.stop();
}

/// As kubelet does it: the file is a link into `..data`, which is a link to a folder that is replaced at once.
#[test]
fn the_swap_of_a_config_map_is_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let mount = folder.path();
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
        "hopscope_config_reloads_total{result=\"refused\"} 1",
    ]);
    collector.stop();
}

#[test]
fn what_takes_a_restart_is_told_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hopscope.yaml");
    write(&file, "");
    let collector = Collector::start(&file);
    fs::write(&file, "listen: {http_address: '127.0.0.1:0', grpc_address: '127.0.0.1:1'}").unwrap();
    collector.hangup();
    let line = collector.line("takes a restart");
    assert!(line.contains("listen.grpc_address"), "{line}");
    collector.check(&["hopscope_config_restart_pending 1", "hopscope_config_reload_success 1"]);
    write(&file, "");
    collector.hangup();
    collector.line("nothing to change");
    collector.check(&["hopscope_config_restart_pending 0"]);
    collector.stop();
}
