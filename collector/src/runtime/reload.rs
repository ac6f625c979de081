//! What can change while the collector runs.
//!
//! In: settings that have been checked. Out: the same in force, as far as that needs no restart. Always holds: all live
//! settings change, or none; what takes a restart keeps its value and is counted.

use crate::config::Config;
use crate::grpc::GrpcService;
use crate::runtime::engine_handle::EngineHandle;
use crate::runtime::self_metrics::Reload;
use hopscope_core::settings::{Sections, Setting, Value};
use std::sync::{Arc, Mutex, PoisonError};

/// Changes the settings of a running collector; clones change the same one.
#[derive(Clone)]
pub struct Live {
    in_force: Arc<Mutex<Config>>,
    state: Arc<EngineHandle>,
    door: GrpcService,
}

/// What came of new settings.
#[derive(Debug, Default)]
pub struct Applied {
    /// Those that have another value now.
    pub changed: Vec<&'static Setting>,
    /// Those that were given another value and keep the old one until a restart.
    pub restart: Vec<&'static Setting>,
}

impl Live {
    pub(super) fn new(config: Config, state: Arc<EngineHandle>, door: GrpcService) -> Self {
        state.stats().settings().in_force(numbers(&config), 0, state.now_us());
        Self { in_force: Arc::new(Mutex::new(config)), state, door }
    }

    /// Puts settings in force. Every room with a live setting is told here.
    #[must_use]
    pub fn apply(&self, mut config: Config) -> Applied {
        let mut in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        let restart = config.retain_restart_only(&in_force);
        let differs = |setting: &&Setting| config.value(setting) != in_force.value(setting);
        let changed: Vec<&'static Setting> = Config::settings().into_iter().filter(differs).collect();
        self.door.limit(config.grpc.clone());
        self.state.engine().limit(config.engine.clone());
        let settings = self.state.stats().settings();
        settings.in_force(numbers(&config), restart.len(), self.state.now_us());
        let same = changed.is_empty() && restart.is_empty();
        settings.reloaded(if same { Reload::Unchanged } else { Reload::Applied });
        *in_force = config;
        Applied { changed, restart }
    }

    /// Notes that new settings were bad.
    pub fn refuse(&self) {
        self.state.stats().settings().reloaded(Reload::Refused);
    }
}

/// All numbers, for `/metrics`.
fn numbers(config: &Config) -> Vec<(String, u64)> {
    let number = |setting: &'static Setting| match config.value(setting) {
        Value::Integer(number) => Some((setting.path(), number)),
        _ => None,
    };
    Config::settings().into_iter().filter_map(number).collect()
}
