//! Settings that change while the collector runs.
//!
//! In: valid settings. Out: the same settings in force, except those that need a restart.
//! Invariant: either all live settings change, or none; a setting that needs a restart keeps its
//! value and is counted.

use crate::config::Config;
use crate::grpc::GrpcService;
use crate::runtime::engine_handle::EngineHandle;
use crate::runtime::self_metrics::Reload;
use hopscope_core::settings::{Sections, Setting, Value};
use std::sync::{Arc, Mutex, PoisonError};

/// Changes the settings of a running collector; clones share it.
#[derive(Clone)]
pub struct Live {
    in_force: Arc<Mutex<Config>>,
    handle: Arc<EngineHandle>,
    grpc: GrpcService,
}

/// Effect of new settings.
#[derive(Debug, Default)]
pub struct Applied {
    /// Settings with a new value in force.
    pub changed: Vec<&'static Setting>,
    /// Settings that keep the old value until a restart.
    pub restart: Vec<&'static Setting>,
}

impl Live {
    pub(super) fn new(config: Config, handle: Arc<EngineHandle>, grpc: GrpcService) -> Self {
        handle.set_limits(&config.engine);
        handle.stats().settings().in_force(numbers(&config), 0, handle.wall_us());
        Self { in_force: Arc::new(Mutex::new(config)), handle, grpc }
    }

    /// Puts settings in force: limits of the gRPC server at once, limits of the engine through the
    /// journal.
    #[must_use]
    pub fn apply(&self, mut config: Config) -> Applied {
        let mut in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        let restart = config.retain_restart_only(&in_force);
        let differs = |setting: &&Setting| config.value(setting) != in_force.value(setting);
        let changed: Vec<&'static Setting> = Config::settings().into_iter().filter(differs).collect();
        self.grpc.set_limits(config.grpc.clone());
        if config.engine != in_force.engine {
            self.handle.set_limits(&config.engine);
        }
        let settings = self.handle.stats().settings();
        settings.in_force(numbers(&config), restart.len(), self.handle.wall_us());
        let is_unchanged = changed.is_empty() && restart.is_empty();
        settings.reloaded(if is_unchanged { Reload::Unchanged } else { Reload::Applied });
        *in_force = config;
        Applied { changed, restart }
    }

    /// Counts a reload with invalid settings.
    pub fn reject(&self) {
        self.handle.stats().settings().reloaded(Reload::Rejected);
    }
}

/// Returns every numeric setting, for `/metrics`.
fn numbers(config: &Config) -> Vec<(String, u64)> {
    let number = |setting: &'static Setting| match config.value(setting) {
        Value::Integer(number) => Some((setting.path(), number)),
        _ => None,
    };
    Config::settings().into_iter().filter_map(number).collect()
}
