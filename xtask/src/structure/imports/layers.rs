//! The layers of one crate: a module imports only from layers below its own.

use super::modules::{Import, is_ancestor};
use serde::Deserialize;

/// One crate in `xtask/structure/imports.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Layers {
    /// The folder of the crate.
    pub(crate) path: String,
    /// The name of the library in Rust paths.
    pub(crate) name: String,
    /// Modules, top to bottom; modules of one layer stand in one line, with commas.
    pub(crate) layers: Vec<String>,
    /// Imports that the layers do not allow.
    #[serde(default)]
    pub(crate) exceptions: Vec<Exception>,
    /// Whether the crate does not keep its layers yet.
    #[serde(default)]
    pub(crate) pending: bool,
}

/// An import that the layers do not allow.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exception {
    from: String,
    to: String,
    /// Why the import stays.
    #[serde(rename = "reason")]
    _reason: String,
}

impl Layers {
    /// The listed modules, each with the number of its layer; 0 is the top.
    pub(crate) fn listed(&self) -> impl Iterator<Item = (usize, &str)> {
        self.layers
            .iter()
            .enumerate()
            .flat_map(|(layer, line)| line.split(',').map(move |module| (layer, module.trim())))
    }

    /// The listed module that holds a module; without one, its top-level module.
    pub(crate) fn unit<'a>(&'a self, module: &'a str) -> &'a str {
        let holds = |(_, unit): &(usize, &str)| *unit == module || is_ancestor(unit, module);
        let listed = self.listed().filter(holds).max_by_key(|(_, unit)| unit.len());
        listed.map_or_else(|| module.split("::").next().unwrap_or(module), |(_, unit)| unit)
    }

    /// The layer of a listed module.
    pub(crate) fn layer(&self, unit: &str) -> Option<usize> {
        self.listed().find(|(_, listed)| *listed == unit).map(|(layer, _)| layer)
    }

    /// Whether the layers or an exception allow an import between two units.
    pub(crate) fn allow(&self, from: &str, to: &str) -> bool {
        let excepted = |exception: &Exception| exception.from == from && exception.to == to;
        if from == to || self.exceptions.iter().any(excepted) {
            return true;
        }
        match (self.layer(from), self.layer(to)) {
            (Some(from), Some(to)) => to > from,
            // A module in no layer is a finding of its own.
            _ => true,
        }
    }

    /// The exceptions that no import needs.
    pub(crate) fn unused<'a>(&'a self, imports: &'a [Import]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let needs = |exception: &Exception| {
            imports.iter().any(|import| {
                self.unit(&import.from) == exception.from && self.unit(&import.to) == exception.to
            })
        };
        self.exceptions
            .iter()
            .filter(move |exception| !needs(exception))
            .map(|exception| (exception.from.as_str(), exception.to.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYERS: &str = "
        path: c
        name: c
        layers: [cli, 'runtime::server', 'http, sinks', runtime, config]
        exceptions: [{ from: http, to: sinks, reason: shown as an example }]";

    fn check(from: &str, to: &str, expected: bool) {
        let layers: Layers = serde_saphyr::from_str(LAYERS).unwrap();
        assert_eq!(layers.allow(layers.unit(from), layers.unit(to)), expected, "{from} -> {to}");
    }

    #[test]
    fn imports_point_down() {
        check("cli::table", "config", true);
        check("config", "cli::table", false);
    }

    #[test]
    fn modules_of_one_layer_do_not_import_each_other() {
        check("sinks", "http", false);
        check("http", "http::json", true);
    }

    #[test]
    fn an_exception_allows_one_direction() {
        check("http", "sinks", true);
    }

    #[test]
    fn a_part_of_a_module_may_have_a_layer_of_its_own() {
        check("runtime::server", "http", true);
        check("http", "runtime::engine_handle", true);
        check("http", "runtime::server", false);
    }
}
