//! `cargo xtask istio up | status | test | down`: the filter loaded by a real Istio, on one machine, without containers.
//!
//! In: Go and Python beside Rust, and root. Out: an API server, istiod, pods that its webhook injected, each in a network
//! namespace of its own, a gateway, the collector; or the verdict of the scenarios in [`scenario`]. Without root the same control
//! plane and proxies on [`loopback`]. Always holds: what was started ends with [`machine`], also after a failure half-way;
//! nothing is installed outside the target folder.

mod site;
mod programs;
mod iptables;
mod machine;
mod run;
mod http;
mod cluster;
mod control_plane;
mod workload;
mod pods;
mod loopback;
mod registry;
mod mesh;
mod up;
mod scenario;

use crate::progress::{done, remark};
use anyhow::{Context, bail};
use clap::Subcommand;
use rustix::process::geteuid;
use site::Site;
use std::path::PathBuf;
use std::process::Command;

/// What to do.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Bring the mesh up. The first time builds Istio and Kubernetes from source (a quarter of an hour), later it takes
    /// less than a minute. Needs Go 1.26 and Python 3; for pods in namespaces root, iproute2, util-linux, too.
    Up {
        /// On loopback, without pods, namespaces and root. Also without this flag where the caller is not root.
        #[arg(long)]
        loopback: bool,
    },
    /// Show what runs.
    Status,
    /// Tell the scenarios on the mesh, bringing it up for them where none runs. Exit code 1 when one is not as told.
    Test {
        /// Only the scenarios whose name holds this.
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
        /// Leave the mesh up afterwards.
        #[arg(long)]
        keep: bool,
        /// The few scenarios that need no pods, on loopback; see `up`.
        #[arg(long)]
        loopback: bool,
    },
    /// End everything and remove what it left.
    Down,
    /// The first process of the machine.
    #[command(hide = true)]
    Hold { site: Site },
    /// The first process of a pod.
    #[command(hide = true)]
    Pause { folder: PathBuf, envoy: PathBuf },
    /// `up`, from inside the machine.
    #[command(hide = true)]
    UpInside { envoy: PathBuf },
    /// `status`, from inside the machine.
    #[command(hide = true)]
    StatusInside,
    /// `test`, from inside the machine.
    #[command(hide = true)]
    TestInside {
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        json: bool,
    },
}

/// Does it.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.task {
        Task::Up { loopback } => {
            up(chosen(*loopback))?.detach()?;
            done("the mesh is up; `cargo xtask istio down` ends it");
            Ok(())
        }
        Task::Status => enter(&["status-inside"]),
        Task::Test { name, json, keep, loopback } => test(name.as_deref(), *json, *keep, chosen(*loopback)),
        Task::Down => {
            done(if down()? { "everything has ended" } else { "nothing was running" });
            Ok(())
        }
        Task::Hold { site } => machine::hold(*site),
        Task::Pause { folder, envoy } => pods::pause(folder, envoy),
        Task::UpInside { envoy } => up::inside(envoy),
        Task::StatusInside => mesh::show(),
        Task::TestInside { name, json } => scenario::execute(name.as_deref(), *json),
    }
}

/// Where to bring it up.
fn chosen(loopback: bool) -> Site {
    if loopback {
        return Site::Loopback;
    }
    if geteuid().is_root() {
        return Site::Namespaces;
    }
    remark("without root: on loopback, without pods and injection");
    Site::Loopback
}

/// Brings the mesh up. It ends with what is given back, unless that is kept.
fn up(site: Site) -> anyhow::Result<machine::Machine> {
    needs(site)?;
    let envoy = up::build(site)?;
    if !machine::is_running() {
        // What a machine left that was ended from outside.
        let _ = std::fs::remove_dir_all(run::folder());
    }
    let machine = machine::Machine::start(site)?;
    enter(&["up-inside", &envoy.display().to_string()])
        .with_context(|| format!("the mesh did not come up; its logs are in {}", run::folder().display()))?;
    Ok(machine)
}

fn test(name: Option<&str>, json: bool, keep: bool, site: Site) -> anyhow::Result<()> {
    let started = if machine::is_running() {
        up::build(Site::here())?;
        None
    } else {
        Some(up(site)?)
    };
    let mut arguments = vec!["test-inside"];
    arguments.extend(name.into_iter().flat_map(|name| ["--name", name]));
    arguments.extend(json.then_some("--json"));
    let result = enter(&arguments);
    match (started, keep) {
        (Some(machine), true) => machine.detach()?,
        (Some(_), false) => {
            down()?;
        }
        (None, _) => remark("the mesh stays up, as it was before"),
    }
    result
}

fn down() -> anyhow::Result<bool> {
    let ended = machine::stop()?;
    if run::folder().exists() {
        std::fs::remove_dir_all(run::folder()).context("failed to remove what the mesh left")?;
    }
    Ok(ended)
}

/// Runs one of our own tasks inside the machine.
fn enter(arguments: &[&str]) -> anyhow::Result<()> {
    let status = machine::inside(arguments)?.status().context("failed to start `nsenter` (util-linux)")?;
    if !status.success() {
        bail!("`{}` ended with {status}", arguments.join(" "));
    }
    Ok(())
}

/// What has to be there already.
fn needs(site: Site) -> anyhow::Result<()> {
    let programs = [
        ("go", "version", "Go 1.26 builds Istio and Kubernetes"),
        ("python3", "--version", "Python 3 installs Envoy from PyPI"),
    ];
    let of_namespaces = [
        ("ip", "-V", "iproute2 makes networks"),
        ("unshare", "--version", "util-linux makes namespaces"),
        ("setpriv", "--version", "util-linux runs proxies as their own user"),
    ];
    let of_namespaces = of_namespaces.iter().filter(|_| site == Site::Namespaces);
    for (program, argument, why) in programs.iter().chain(of_namespaces) {
        let answer = Command::new(program).arg(argument).output();
        answer.with_context(|| format!("`{program}` is not on the path: {why}"))?;
    }
    Ok(())
}
