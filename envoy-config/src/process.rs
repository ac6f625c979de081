//! Programs that the mesh starts, and their end.
//!
//! In: a command. Out: a [`Process`].
//! Always: a process ends with its [`Process`], at the latest when that is dropped. It has a process group of
//! its own, so a Ctrl-C in the terminal reaches only us, and we can stop everything in order.

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

/// A command, and where its child goes.
struct Order {
    command: Command,
    reply: SyncSender<io::Result<Child>>,
}

/// A running program that we started.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts a program.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, mut command: Command) -> Result<Self> {
        command.process_group(0);
        let child = spawn(command).with_context(|| format!("failed to start {name}"))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended; none while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for its end.
    pub async fn wait(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            time::sleep(PAUSE).await;
        }
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        // A child that was waited for has given its id back, perhaps to somebody else.
        if let Some(status) = self.ended() {
            return Err(anyhow!("{} has ended already ({status})", self.name));
        }
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("failed to send {signal:?} to {}", self.name))
    }

    /// Asks it to end (SIGTERM) and waits; kills it when `grace` has passed.
    ///
    /// # Errors
    /// When it had to be killed.
    pub async fn stop(mut self, grace: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.ended() {
            return Ok(status);
        }
        self.signal(Signal::TERM)?;
        let ended = time::timeout(grace, self.wait()).await;
        ended.with_context(|| format!("{} had to be killed after {:.1} s", self.name, grace.as_secs_f64()))
    }

    /// Kills it (SIGKILL) and waits.
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

/// Starts a child from a thread that lives as long as this process.
///
/// Envoy asks the kernel to end it with the *thread* that started it, which a runtime's or a test's thread
/// would do far too early.
fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox) = channel::<Order>();
        thread::spawn(move || {
            for mut order in inbox {
                let child = order.command.spawn();
                if let Err(unheard) = order.reply.send(child)
                    && let Ok(mut child) = unheard.0
                {
                    child.kill().ok();
                    child.wait().ok();
                }
            }
        });
        orders
    });
    let (reply, child) = sync_channel(1);
    spawner.send(Order { command, reply }).map_err(io::Error::other)?;
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
    async fn it_ends_when_asked() {
        let status = sleeper().stop(Duration::from_secs(5)).await.unwrap();
        assert!(!status.success());
    }

    #[test]
    fn it_ends_when_dropped() {
        let process = sleeper();
        let id = Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap();
        drop(process);
        assert!(kill_process(id, Signal::CONT).is_err());
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Process::start("nothing", Command::new("/nonexistent/program")).unwrap_err();
        assert_eq!(error.to_string(), "failed to start nothing");
    }
}
