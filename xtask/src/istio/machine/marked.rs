//! Processes of a mesh on loopback, where no kernel namespace ends them with their holder.
//!
//! In: the mark of one mesh.
//! Out: the end of all processes that carry it in their environment.
//! Invariant: a child inherits the mark of the process that started it, also after its parent has
//! ended; no process without the mark is touched.

use anyhow::bail;
use rustix::process::{Pid, Signal, kill_process};
use std::process::Command;
use std::time::{Duration, Instant};

/// The variable that carries the mark.
const VARIABLE: &str = "HOPSCOPE_ISTIO_MESH";

/// Marks the processes that a command starts.
pub(super) fn mark(command: &mut Command, mark: &str) {
    command.env(VARIABLE, mark);
}

/// Ends all processes with the mark, except this one.
pub(super) fn end(mark: &str) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        // A process that is just being started is found in the next round.
        let left = all(mark);
        if left.is_empty() {
            return Ok(());
        }
        if start.elapsed() > Duration::from_secs(20) {
            bail!("processes {left:?} did not end within 20 s");
        }
        for pid in left.into_iter().filter_map(Pid::from_raw) {
            // The process may have ended with another one just now.
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Returns all processes with the mark, except this one; those of other users are not visible.
fn all(mark: &str) -> Vec<i32> {
    let entry = format!("{VARIABLE}={mark}");
    let carries = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == entry.as_bytes())
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten();
    let numbers = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    numbers.filter(|pid| *pid != own).filter(carries).collect()
}

#[cfg(test)]
mod tests {
    use super::{all, end, mark as mark_command};
    use std::process::Command;

    #[test]
    fn a_child_of_a_marked_process_ends_too_and_an_unmarked_process_does_not() {
        let mark = format!("test-{}", std::process::id());
        let mut unmarked = Command::new("sleep").arg("60").spawn().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & exec sleep 60"]);
        mark_command(&mut command, &mark);
        let mut child = command.spawn().unwrap();
        let start = std::time::Instant::now();
        while all(&mark).len() < 2 && start.elapsed().as_secs() < 10 {
            std::thread::yield_now();
        }
        assert_eq!(all(&mark).len(), 2);
        // A zombie, which its parent has not reaped yet, has no environment.
        end(&mark).unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(unmarked.try_wait().unwrap().is_none());
        unmarked.kill().unwrap();
        unmarked.wait().unwrap();
    }
}
