//! Child processes.
//!
//! In: a command. Out: a [`Process`].
//! Invariant: a process ends when its [`Process`] is dropped, at the latest. A process has a
//! process group of its own, so that Ctrl-C in the terminal reaches only the parent, which stops
//! all processes in order.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use std::os::unix::process::CommandExt as _;

use anyhow::{Context as _, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time;

use crate::eventually::PAUSE;

/// A command, and the channel for its child.
struct SpawnRequest {
    command: Command,
    reply: SyncSender<io::Result<Child>>,
}

/// A running child process.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts a program.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(name: &str, mut command: Command) -> Result<Self> {
        command.process_group(0);
        let child = spawn(command).with_context(|| format!("failed to start {name}"))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Exit status; none while the process runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for the end of the process.
    pub async fn wait(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            time::sleep(PAUSE).await;
        }
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        // After the wait for a child, its id may belong to another process.
        if let Some(status) = self.ended() {
            return Err(anyhow!("{} has ended already ({status})", self.name));
        }
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("failed to send {signal:?} to {}", self.name))
    }

    /// Terminates the process (SIGTERM) and waits; kills it when `grace` has passed.
    ///
    /// # Errors
    /// When the process had to be killed.
    pub async fn stop(mut self, grace: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.ended() {
            return Ok(status);
        }
        self.signal(Signal::TERM)?;
        let ended = time::timeout(grace, self.wait()).await;
        ended.with_context(|| format!("{} had to be killed after {:.1} s", self.name, grace.as_secs_f64()))
    }

    /// Kills the process (SIGKILL) and waits.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            // Both fail only for a process that has ended meanwhile.
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

/// Starts a child from a thread that runs until the end of this process.
///
/// Envoy asks the kernel to end it with the *thread* that started it, and a thread of a runtime or
/// of a test ends too early.
fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Sender<SpawnRequest>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (requests, inbox) = channel::<SpawnRequest>();
        thread::spawn(move || {
            for mut request in inbox {
                let child = request.command.spawn();
                if let Err(undelivered) = request.reply.send(child)
                    && let Ok(mut child) = undelivered.0
                {
                    child.kill().ok();
                    child.wait().ok();
                }
            }
        });
        requests
    });
    let (reply, child) = sync_channel(1);
    spawner.send(SpawnRequest { command, reply }).map_err(io::Error::other)?;
    child.recv().map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Process {
        let mut command = Command::new("sleep");
        command.arg("60");
        Process::start("a sleeper", command).unwrap()
    }

    #[tokio::test]
    async fn a_process_ends_on_sigterm() {
        let status = sleeper().stop(Duration::from_secs(5)).await.unwrap();
        assert!(!status.success());
    }

    #[test]
    fn a_process_ends_when_dropped() {
        let process = sleeper();
        let id = Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap();
        drop(process);
        assert!(kill_process(id, Signal::CONT).is_err());
    }

    #[test]
    fn the_error_names_a_missing_program() {
        let error = Process::start("nothing", Command::new("/nonexistent/program")).unwrap_err();
        assert_eq!(error.to_string(), "failed to start nothing");
    }
}
