//! The machine of a mesh: kernel namespaces held by one process; or, on loopback, all processes
//! that carry the mark of that holder.
//!
//! In: a [`Site`].
//! Out: processes of its own (in namespaces also addresses and mounts) that other commands enter.
//! Invariant: every process of the machine ends with its holder, in namespaces by the kernel,
//! however this program ends; until [`Machine::detach`] the holder ends with this program. Nothing
//! reaches outside: namespaces have no route to any network, and on loopback no other address is
//! bound or called.

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

/// The message to the holder after which it outlives this program.
const DETACH: &str = "detach";

/// A machine that this program has started.
pub(super) struct Machine {
    _holder: Child,
    control: ChildStdin,
}

impl Machine {
    /// Starts a machine. Fails where one runs.
    pub(super) fn start(site: Site) -> anyhow::Result<Self> {
        if holder().is_some() {
            bail!("a mesh is running; see `cargo xtask istio status`, end it with `cargo xtask istio down`");
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
        // A Ctrl-C in the terminal is for this program; the holder then reads the end of its input.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        // The holder outlives this program: a reader of our standard error would wait for it.
        command.stderr(run::log_file("machine")?);
        let mut child = command.spawn().context("failed to start the holder; `unshare` is of util-linux")?;
        let control = child.stdin.take().context("failed to open the input of the machine's holder")?;
        let answer = child.stdout.take().context("failed to open the output of the machine's holder")?;
        let mut ready = String::new();
        BufReader::new(answer).read_line(&mut ready)?;
        if ready.trim() != "ready" {
            bail!("failed to create namespaces; root and a kernel with namespaces are needed");
        }
        let holder = match site {
            Site::Namespaces => child_of(child.id()).context("failed to find the machine's holder")?,
            Site::Loopback => i32::try_from(child.id())?,
        };
        std::fs::write(state(), format!("{holder} {}", started(holder).unwrap_or_default()))?;
        Ok(Self { _holder: child, control })
    }

    /// Lets the machine outlive this program.
    pub(super) fn detach(mut self) -> anyhow::Result<()> {
        writeln!(self.control, "{DETACH}").context("failed to detach the machine")
    }
}

/// Ends the running machine, if any, and all its processes.
pub(super) fn stop() -> anyhow::Result<bool> {
    if Site::here() == Site::Loopback {
        // Processes may have outlived a holder that was killed.
        mark().map_or(Ok(()), |mark| marked::end(&mark))?;
    }
    let Some(holder) = holder() else { return Ok(false) };
    if let Some(pid) = Pid::from_raw(holder) {
        // The holder may have ended by itself just now.
        let _ = kill_process(pid, Signal::KILL);
    }
    let start = Instant::now();
    while started(holder).is_some() {
        if start.elapsed() > Duration::from_secs(20) {
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

/// Returns a command of this program that runs inside the machine.
pub(super) fn inside(arguments: &[&str]) -> anyhow::Result<Command> {
    let holder = holder().context("no mesh is running; start one with `cargo xtask istio up`")?;
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

/// Makes the processes of a command end with the machine, where the kernel does not.
pub(super) fn end_with_machine(command: &mut Command) {
    if let Some(mark) = mark().filter(|_| Site::here() == Site::Loopback) {
        marked::mark(command, &mark);
    }
}

/// Runs the holder: the first process of the machine, with which all others end.
pub(super) fn hold(site: Site) -> anyhow::Result<()> {
    if site == Site::Namespaces {
        process::quietly(Command::new("ip").args(["link", "set", "lo", "up"]))?;
        std::thread::spawn(|| {
            loop {
                // Orphans of the machine become children of its first process, which has to reap
                // them.
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

/// A mark that no other machine has had: the holder's process id and start time.
fn mark() -> Option<String> {
    Some(std::fs::read_to_string(state()).ok()?.replace(' ', "-"))
}

/// The holder's process id outside the namespaces.
fn holder() -> Option<i32> {
    let state = std::fs::read_to_string(state()).ok()?;
    let (holder, since) = state.split_once(' ')?;
    let holder = holder.parse().ok()?;
    // The kernel reuses process ids; the start time distinguishes them.
    (started(holder)? == since).then_some(holder)
}

/// Returns the start time of a process in the kernel's ticks; none for an absent process or a
/// zombie.
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

/// Returns the fields of `/proc/…/stat` after the program's name: state, parent, …
fn fields(process: &str) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    Some(stat.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}
