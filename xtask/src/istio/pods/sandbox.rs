//! The sandbox of a pod: a network, a file system, and processes in them.
//!
//! In: the files of the pod.
//! Out: namespaces in which its containers run.
//! Invariant: `/etc`, `/var` and `/run` are the pod's own layer over those of the machine, so that
//! agents find their absolute paths and other pods do not see their files.

use crate::istio::{control_plane, programs, run};
use crate::process;
use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The user that runs proxies; istio-iptables does not capture its traffic.
const PROXY_USER: u32 = 1337;

/// Folders with a layer of the pod's own.
const OWN: [&str; 3] = ["etc", "var", "run"];

/// The folder of the programs in a pod; other users may not enter the workspace.
pub(super) const BIN: &str = "/run/bin";

/// The folder of Envoy in a pod.
pub(super) const ENVOY: &str = "/run/envoy";

/// A file of a pod; a folder where there is no text.
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: Option<String>,
}

/// The namespaces of one pod.
pub(crate) struct Sandbox {
    process: u32,
}

impl Sandbox {
    /// Starts a sandbox on the machine's bridge.
    pub(super) fn start(name: &str, address: &str, files: &[File], envoy: &Path) -> anyhow::Result<Self> {
        let folder = run::folder().join("pods").join(name);
        stage(&folder.join("files"), files)?;
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount"]).arg(std::env::current_exe()?).args(["istio", "pause"]);
        command.arg(&folder).arg(envoy);
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(run::log_file(&format!("{name}.sandbox"))?);
        let mut child = command.spawn().context("failed to start `unshare` (util-linux)")?;
        let answer = child.stdout.take().context("failed to open the output of the sandbox")?;
        let mut ready = String::new();
        BufReader::new(answer).read_line(&mut ready)?;
        if ready.trim() != "ready" {
            bail!("failed to create the sandbox of {name}");
        }
        let sandbox = Self { process: child.id() };
        sandbox.connect(address)?;
        Ok(sandbox)
    }

    /// Returns the sandbox that a process holds.
    pub(crate) fn of(process: u32) -> Self {
        Self { process }
    }

    /// The process that holds the sandbox.
    pub(super) fn process(&self) -> u32 {
        self.process
    }

    /// Returns a command that runs in the sandbox as root.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.process.to_string(), "--net", "--mount", "--"]).arg(program);
        command
    }

    /// Returns a command that runs in the sandbox as the user whose traffic is not captured.
    pub(super) fn proxy_command(&self, program: &str) -> Command {
        let mut command = self.command("setpriv");
        let user = PROXY_USER.to_string();
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--", program]);
        command
    }

    /// Kills every process of the sandbox, its holder included.
    pub(super) fn end(&self) -> anyhow::Result<()> {
        let network = |process: &Path| std::fs::read_link(process.join("ns/net")).ok();
        let own = network(Path::new(&format!("/proc/{}", self.process))).context("the sandbox is gone")?;
        for process in std::fs::read_dir("/proc")?.filter_map(|entry| Some(entry.ok()?.path())) {
            let number = process.file_name().and_then(|name| name.to_str()?.parse().ok());
            if let Some(pid) =
                number.and_then(Pid::from_raw).filter(|_| network(&process).as_ref() == Some(&own))
            {
                // The process may have ended with another one just now.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        Ok(())
    }

    fn connect(&self, address: &str) -> anyhow::Result<()> {
        let outer = format!("v{}", address.rsplit('.').next().unwrap_or_default());
        let ip = |arguments: &str| process::quietly(Command::new("ip").args(arguments.split(' '))).map(drop);
        ip(&format!("link add {outer} type veth peer name eth0 netns {}", self.process))?;
        ip(&format!("link set {outer} master br0 up"))?;
        let ip = |arguments: &str| process::quietly(self.command("ip").args(arguments.split(' '))).map(drop);
        ip("link set lo up")?;
        ip(&format!("addr add {address}/16 dev eth0"))?;
        ip("link set eth0 up")?;
        ip(&format!("route add default via {}", control_plane::ADDRESS))
    }
}

fn stage(folder: &Path, files: &[File]) -> anyhow::Result<()> {
    for file in files {
        let path = folder.join(file.path.trim_start_matches('/'));
        match (&file.text, path.parent()) {
            (None, _) => std::fs::create_dir_all(&path)?,
            (Some(text), parent) => {
                parent.map_or(Ok(()), std::fs::create_dir_all)?;
                std::fs::write(&path, text)?;
            }
        }
    }
    Ok(())
}

/// Runs the holder of a sandbox: mounts the pod's layer, copies its files, and waits.
pub(crate) fn pause(folder: &Path, envoy: &Path) -> anyhow::Result<()> {
    for own in OWN {
        let (upper, work) = (folder.join("layer").join(own), folder.join("work").join(own));
        std::fs::create_dir_all(&upper)?;
        std::fs::create_dir_all(&work)?;
        let layers = format!("lowerdir=/{own},upperdir={},workdir={}", upper.display(), work.display());
        let mut mount = Command::new("mount");
        process::quietly(mount.args(["-t", "overlay", "overlay", "-o", &layers]).arg(format!("/{own}")))?;
    }
    // The overlay hides the mount over the machine's /etc/hosts.
    bind(&control_plane::hosts_file(), Path::new("/etc/hosts"))?;
    for (folder, place) in [(programs::path(""), BIN), (envoy.to_owned(), ENVOY)] {
        std::fs::create_dir_all(place)?;
        bind(&folder, Path::new(place))?;
    }
    copy_files(&folder.join("files"), Path::new("/"))?;
    let mut output = std::io::stdout();
    writeln!(output, "ready")?;
    output.flush()?;
    loop {
        std::thread::park();
    }
}

fn bind(from: &Path, to: &Path) -> anyhow::Result<()> {
    process::quietly(Command::new("mount").arg("--bind").arg(from).arg(to)).map(drop)
}

/// Copies a folder; new files belong to the proxy's user.
fn copy_files(from: &Path, to: &Path) -> anyhow::Result<()> {
    let Ok(entries) = std::fs::read_dir(from) else { return Ok(()) };
    for entry in entries {
        let entry: PathBuf = entry?.path();
        let Some(name) = entry.file_name() else { continue };
        let there = to.join(name);
        let is_new = !there.exists();
        if entry.is_dir() {
            if is_new {
                std::fs::create_dir(&there)?;
            }
            copy_files(&entry, &there)?;
        } else {
            std::fs::copy(&entry, &there)?;
        }
        if is_new {
            std::os::unix::fs::chown(&there, Some(PROXY_USER), Some(PROXY_USER))?;
        }
    }
    Ok(())
}
