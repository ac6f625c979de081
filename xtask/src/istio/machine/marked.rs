//! The processes of a mesh on loopback, where no kernel ends them with their holder.
//!
//! In: a mark that is no other mesh's. Out: the processes that carry it in their environment, ended. Always holds: a child has
//! the mark of its parent, whoever started it and whoever is its parent now; nobody without it is touched.

use anyhow::bail;
use rustix::process::{Pid, Signal, kill_process};
use std::process::Command;
use std::time::{Duration, Instant};

/// The variable that carries the mark.
const VARIABLE: &str = "HOPSCOPE_ISTIO_MESH";

/// Marks what a command will start.
pub(super) fn mark(command: &mut Command, mark: &str) {
    command.env(VARIABLE, mark);
}

/// Ends all that carry the mark, but us.
pub(super) fn end(mark: &str) -> anyhow::Result<()> {
    let patience = Instant::now();
    loop {
        // One that is just being started by another is seen in the next round.
        let left = all(mark);
        if left.is_empty() {
            return Ok(());
        }
        if patience.elapsed() > Duration::from_secs(20) {
            bail!("processes {left:?} did not end within 20 s");
        }
        for pid in left.into_iter().filter_map(Pid::from_raw) {
            // It may have ended with another one just now.
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Those that carry the mark, but us; of another user's processes nothing is seen.
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
    fn a_child_of_a_marked_process_ends_too_and_a_stranger_does_not() {
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
        // The remains of a child that nobody waits for have no environment.
        end(&mark).unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(unmarked.try_wait().unwrap().is_none());
        unmarked.kill().unwrap();
        unmarked.wait().unwrap();
    }
}
