//! Selection of edges by workload, service and reporter.

use super::parameters::{BadParameter, Parameters};
use hopscope_core::batch::Reporter;
use hopscope_core::identity::ResolvedEdge;

/// Conditions that an edge has to meet; an absent one is met by all edges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EdgeFilter {
    /// Workload of the source or of the destination.
    workload: Option<String>,
    /// Service by its host, by its name, or by the first label of its host.
    service: Option<String>,
    reporter: Option<Reporter>,
}

impl EdgeFilter {
    /// Reads the parameters `workload`, `service` and `reporter`.
    pub(crate) fn read(parameters: &mut Parameters) -> Result<Self, BadParameter> {
        let (workload, service) = (parameters.text("workload"), parameters.text("service"));
        let reporter = parameters.value("reporter", "source, destination or waypoint", |text| {
            let reporters = [Reporter::Source, Reporter::Destination, Reporter::Waypoint];
            reporters.into_iter().find(|reporter| reporter.label() == text)
        })?;
        Ok(Self { workload, service, reporter })
    }

    /// Returns whether an edge meets all conditions.
    pub(crate) fn matches(&self, edge: &ResolvedEdge) -> bool {
        let is_one_of = |wanted: &Option<String>, values: &[&str]| {
            wanted.as_ref().is_none_or(|wanted| values.contains(&wanted.as_str()))
        };
        let short = edge.service.host.split('.').next().unwrap_or_default();
        is_one_of(&self.workload, &[&edge.source.workload, &edge.destination.workload])
            && is_one_of(&self.service, &[&edge.service.host, &edge.service.name, short])
            && self.reporter.is_none_or(|reporter| reporter == edge.reporter)
    }
}
