//! Consistency check of a topology.
//!
//! In: a parsed topology. Out: the first inconsistency.
//! Invariant: in a consistent topology every name of a bootstrap or an application is defined.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};

use super::{Call, Topology, Workload};
use crate::fault::Fault;

impl Topology {
    pub(super) fn check(&self) -> Result<()> {
        for workload in &self.workloads {
            for service in &workload.calls {
                self.service(service)?;
            }
            if let Some(call) = workload.application.as_ref().and_then(|it| it.calls.as_ref()) {
                self.may_call(workload, call)?;
            }
        }
        for service in &self.services {
            let subsets = service.subsets.iter().flat_map(|subset| &subset.workloads);
            for id in service.workloads.iter().chain(subsets) {
                self.workload(id)?;
            }
            for hop in service.subsets.iter().filter_map(|subset| subset.through.as_ref()) {
                self.hop(hop)?;
            }
        }
        for hop in &self.hops {
            self.workload(&hop.from)?;
            self.workload(&hop.to)?;
        }
        self.check_addresses()?;
        Fault::ALL.into_iter().try_for_each(|fault| self.check_cause(fault))
    }

    fn may_call(&self, workload: &Workload, call: &Call) -> Result<()> {
        self.service(&call.service)?;
        ensure!(workload.calls.contains(&call.service), "{} may not call {}", workload.id(), call.service);
        Ok(())
    }

    fn check_addresses(&self) -> Result<()> {
        let mut used = BTreeMap::new();
        let workloads = self.workloads.iter().map(|workload| (workload.host, workload.id()));
        for (host, name) in workloads.chain(self.hops.iter().map(|hop| (hop.host, hop.name.clone()))) {
            ensure!((2..=253).contains(&host), "the address of {name} is outside of 2..=253");
            if let Some(other) = used.insert(host, name.clone()) {
                bail!("{name} and {other} have the same address");
            }
        }
        Ok(())
    }

    fn check_cause(&self, fault: Fault) -> Result<()> {
        let cause = self.cause(fault)?;
        let Some(at) = &cause.at else { return Ok(()) };
        let mut workloads = self.workloads.iter().filter(|workload| &workload.name == at).peekable();
        ensure!(workloads.peek().is_some(), "{fault} is caused at {at:?}, which is no workload");
        match &cause.calls {
            Some(call) => workloads.try_for_each(|workload| self.may_call(workload, call)),
            None => Ok(()),
        }
    }
}
