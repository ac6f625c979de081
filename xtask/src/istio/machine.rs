//! The machine that everything of a mesh runs in: namespaces of the kernel, held by one process; or, on loopback, all
//! processes that carry the mark of their holder.
//!
//! In: a [`Site`]. Out: a place with processes of its own (in namespaces: addresses and mounts, too), which other commands
//! enter. Always holds: whoever runs in it ends with its holder, in namespaces by the kernel's hand, whatever became of us;
//! until [`Machine::keep`] the holder itself ends when we do. Nothing of it reaches outside: namespaces have no way to any
//! network, and on loopback nothing else is bound or called.

mod marked;

use super::run;
use super::site::Site;
use crate::process;
use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// What we write to the holder so that it outlives us.
const DETACH: &str = "detach";

/// A machine that we have just started.
pub(super) struct Machine {
    _holder: Child,
    control: ChildStdin,
}

impl Machine {
    /// Starts one. There must be none.
    pub(super) fn start(site: Site) -> anyhow::Result<Self> {
        if holder().is_some() {
            bail!(
                "there is a mesh already; see `cargo xtask istio status`, end it with `cargo xtask istio down`"
            );
        }
        site.save()?;
        let mut command = match site {
            Site::Namespaces => {
                let mut unshare = Command::new("unshare");
                unshare.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
                unshare.arg(std::env::current_exe()?);
                unshare
            }
            Site::Loopback => Command::new(std::env::current_exe()?),
        };
        command.args(["istio", "hold", site.name()]);
        // A Ctrl-C in the terminal is for us; the holder then sees its control end.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        // It outlives us: whoever reads our standard error would wait for it.
        command.stderr(run::log_file("machine")?);
        let mut child = command.spawn().context("failed to start the holder; `unshare` is of util-linux")?;
        let control = child.stdin.take().context("failed to hold the machine's control")?;
        let answer = child.stdout.take().context("failed to hear the machine")?;
        let mut ready = String::new();
        BufReader::new(answer).read_line(&mut ready)?;
        if ready.trim() != "ready" {
            bail!("failed to make namespaces; root and a kernel with namespaces are needed");
        }
        let holder = match site {
            Site::Namespaces => child_of(child.id()).context("failed to find the machine's holder")?,
            Site::Loopback => i32::try_from(child.id())?,
        };
        std::fs::write(state(), format!("{holder} {}", started(holder).unwrap_or_default()))?;
        Ok(Self { _holder: child, control })
    }

    /// Lets it outlive us.
    pub(super) fn detach(mut self) -> anyhow::Result<()> {
        writeln!(self.control, "{DETACH}").context("failed to hand the machine over")
    }
}

/// Ends the machine that runs, if one does, and all that runs in it.
pub(super) fn stop() -> anyhow::Result<bool> {
    if Site::here() == Site::Loopback {
        // Its processes may have outlived a holder that was killed.
        mark().map_or(Ok(()), |mark| marked::end(&mark))?;
    }
    let Some(holder) = holder() else { return Ok(false) };
    if let Some(pid) = Pid::from_raw(holder) {
        // It may have ended by itself just now.
        let _ = kill_process(pid, Signal::KILL);
    }
    let patience = Instant::now();
    while started(holder).is_some() {
        if patience.elapsed() > Duration::from_secs(20) {
            bail!("process {holder} and those in its namespaces did not end within 20 s");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = std::fs::remove_file(state());
    Ok(true)
}

/// Whether a machine runs.
pub(super) fn is_running() -> bool {
    holder().is_some()
}

/// A command of ours that runs inside.
pub(super) fn inside(arguments: &[&str]) -> anyhow::Result<Command> {
    let holder = holder().context("there is no mesh; start one with `cargo xtask istio up`")?;
    let exe = std::env::current_exe()?;
    let mut command = match Site::here() {
        Site::Namespaces => {
            let mut command = Command::new("nsenter");
            command.args(["--target", &holder.to_string(), "--net", "--mount", "--pid", "--"]).arg(exe);
            command
        }
        Site::Loopback => Command::new(exe),
    };
    command.arg("istio").args(arguments);
    end_with_machine(&mut command);
    Ok(command)
}

/// Lets what a command starts end with the machine, where the kernel does not see to it.
pub(super) fn end_with_machine(command: &mut Command) {
    if let Some(mark) = mark().filter(|_| Site::here() == Site::Loopback) {
        marked::mark(command, &mark);
    }
}

/// What the holder does: it is the first process of the machine, and when it ends, all others do.
pub(super) fn hold(site: Site) -> anyhow::Result<()> {
    if site == Site::Namespaces {
        process::quietly(Command::new("ip").args(["link", "set", "lo", "up"]))?;
        std::thread::spawn(|| {
            loop {
                // The orphans of a machine are its first process's.
                if wait(WaitOptions::empty()).is_err() {
                    std::thread::sleep(Duration::from_millis(200));
                }
            }
        });
    }
    let mut output = std::io::stdout();
    writeln!(output, "ready")?;
    output.flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    while line.trim() == DETACH {
        std::thread::park();
    }
    match mark().filter(|_| site == Site::Loopback) {
        Some(mark) => marked::end(&mark),
        None => Ok(()),
    }
}

fn state() -> PathBuf {
    run::folder().join("machine")
}

/// What no other machine has had: its holder's number and when that started.
fn mark() -> Option<String> {
    Some(std::fs::read_to_string(state()).ok()?.replace(' ', "-"))
}

/// The holder's process id, as we see it from outside.
fn holder() -> Option<i32> {
    let state = std::fs::read_to_string(state()).ok()?;
    let (holder, since) = state.split_once(' ')?;
    let holder = holder.parse().ok()?;
    // Numbers of processes come again; the moment of the start tells.
    (started(holder)? == since).then_some(holder)
}

/// When a process started, in the kernel's ticks; none where there is no such process, or only its remains.
fn started(process: i32) -> Option<String> {
    let fields = fields(&process.to_string())?;
    (fields.first()? != "Z").then(|| fields.get(19).cloned())?
}

fn child_of(parent: u32) -> Option<i32> {
    let parent = parent.to_string();
    let processes =
        std::fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut children = processes.filter(|process| fields(process).is_some_and(|f| f.get(1) == Some(&parent)));
    children.next()?.parse().ok()
}

/// Of `/proc/…/stat`, what stands behind the program's name: state, parent, …
fn fields(process: &str) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    Some(stat.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}
