//! What one VM holds: one configuration, one buffer, one sender, shared by all plugins in it.
//!
//! In: configurations, finished requests, ticks, answers. Out: reports to dispatch. Always holds: without a valid
//! configuration nothing is recorded; a bad one leaves the last good one in force; an answer is matched to the batch
//! that it is for, and a call whose plugin went away counts as never answered.

use crate::attributes::{Attribute, Attributes};
use crate::config::{self, Config, ProxyLocation};
use crate::in_flight::connections::{self, Closed};
use crate::record::RequestStats;
use crate::record::{ConnectionState, RecordBuilder, in_flight_edge};
use crate::report::buffer::Buffer;
use crate::report::identity;
use crate::report::reply::{self, Reply};
use crate::report::sender::{ProxyIdentity, Report, Sender};

/// Stands where Envoy was started without a node id.
const PROXY_UNNAMED: &str = "unnamed";

/// The state of one VM.
#[derive(Debug)]
pub struct Vm {
    config: Option<Config>,
    config_hash: u64,
    proxy_identity: Option<ProxyIdentity>,
    builder: RecordBuilder,
    buffer: Buffer,
    sender: Sender,
    /// As many as batches may be in flight, so a list is enough.
    calls: Vec<Call>,
    /// The plugins that live, a few for each configuration, and whether one has seen a request.
    roots: Vec<(u32, bool)>,
}

/// A report in flight.
#[derive(Debug)]
struct Call {
    token: u32,
    root: u32,
    sequence: u64,
}

impl Vm {
    /// A VM that is not configured yet; `seed` is random and becomes its epoch.
    #[must_use]
    #[inline(never)]
    pub fn new(seed: u64) -> Self {
        Self {
            config: None,
            config_hash: 0,
            proxy_identity: None,
            builder: RecordBuilder::default(),
            buffer: Buffer::default(),
            sender: Sender::new(seed),
            calls: Vec::new(),
            roots: Vec::new(),
        }
    }

    /// A plugin begins.
    pub fn root_created(&mut self, root: u32) {
        self.roots.push((root, false));
        self.sender.stay();
    }

    /// Something ends that may be a plugin. Whether it was the last: then everything that waits is due at once.
    pub fn root_done(&mut self, context: u32) -> bool {
        let Some(place) = self.roots.iter().position(|(root, _)| *root == context) else { return false };
        self.roots.swap_remove(place);
        if self.roots.is_empty() {
            // Those of the plugins that went before were cancelled.
            for other in self.roots_awaiting_reply(context) {
                self.root_gone(other);
            }
            self.sender.leave();
        }
        self.roots.is_empty()
    }

    /// Whether plugin `root` has ended, and no answer is to come for it.
    #[must_use]
    pub fn is_drained(&self, root: u32) -> bool {
        self.roots.iter().all(|(known, _)| *known != root) && self.calls.iter().all(|call| call.root != root)
    }

    /// Takes a plugin configuration into force.
    ///
    /// # Errors
    /// One line that says what is wrong with it; what was in force stays.
    pub fn configure(&mut self, bytes: &[u8], place: &ProxyLocation) -> Result<&Config, String> {
        let config = Config::parse(bytes, place)?;
        self.config_hash = config::hash(bytes);
        self.builder.set_waypoint(place.is_waypoint);
        self.proxy_identity = None;
        Ok(self.config.insert(config))
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Option<&Config> {
        self.config.as_ref()
    }

    /// A request of plugin `root` begins. Returns whether it is the plugin's first.
    pub fn begin(&mut self, context: u32, root: u32) -> bool {
        self.buffer.open.begin(context, root);
        let seen = self.roots.iter_mut().find(|(known, _)| *known == root).map(|(_, seen)| seen);
        seen.is_some_and(|seen| !std::mem::replace(seen, true))
    }

    /// What began is no request but a connection of its own.
    pub fn connect(&mut self, context: u32) {
        if self.buffer.open.forget(context).is_none() {
            self.buffer.open.end_untracked();
        }
        self.buffer.connections.open(context, self.buffer.open.clock_us());
    }

    /// Requests that began and have not ended.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.buffer.open.count()
    }

    /// What waits, and the books.
    #[must_use]
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// What is on its way.
    #[must_use]
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// What makes records.
    #[must_use]
    pub fn builder(&self) -> &RecordBuilder {
        &self.builder
    }

    /// Records the request that just ended, or the connection that was just closed.
    pub fn observe(&mut self, context: u32, attributes: &impl Attributes, now_us: u64) {
        if self.buffer.open.is_named(context) {
            self.buffer.open.moved(context, moved(attributes));
        }
        let root = self.buffer.open.end(context, now_us);
        if root.is_none() {
            if self.close(context, attributes, now_us) {
                return;
            }
            self.buffer.open.end_untracked();
        }
        if let Some(config) = &self.config {
            let record = self.builder.request(attributes, now_us);
            if let Some(root) = root {
                self.buffer.open.learn(root, record.edge.reporter);
            }
            self.buffer.push(&record, config);
        }
    }

    /// Records a connection that was closed; `false` when it is none.
    fn close(&mut self, context: u32, attributes: &impl Attributes, now_us: u64) -> bool {
        let told = match self.buffer.connections.close(context) {
            Closed::Tracked(told) => told,
            Closed::CarriedHttp => return true,
            // Only requests have a duration.
            Closed::Unknown
                if self.buffer.connections.has_untracked()
                    && attributes.bytes(Attribute::RequestDuration).is_none() =>
            {
                self.buffer.connections.close_untracked();
                None
            }
            Closed::Unknown => return false,
        };
        let Some(config) = &self.config else { return true };
        let edge = told.as_ref().map(|told| told.edge.clone());
        if let ConnectionState::Record(mut record) = self.builder.connection(attributes, edge, 0, now_us) {
            let (request_bytes, response_bytes) = connections::since(told.as_ref(), &record.stats);
            record.stats.request_bytes = request_bytes;
            record.stats.response_bytes = response_bytes;
            record.outcome.continued = told.is_some();
            self.buffer.push(&record, config);
        }
        true
    }

    /// The requests that are open for so long, and the connections of which so long nothing was told, that Envoy is to be
    /// asked about them: a bounded number.
    pub fn due_for_refresh(&mut self, now_us: u64) -> Vec<u32> {
        let Some(config) = &self.config else { return Vec::new() };
        let mut contexts = self.buffer.open.due_for_refresh(now_us, config);
        contexts.extend(self.buffer.connections.due_for_refresh(now_us, config));
        contexts
    }

    /// Envoy's current callback is about a request or a connection that is open.
    pub fn refresh(&mut self, context: u32, attributes: &impl Attributes, now_us: u64) {
        if self.buffer.connections.holds(context) {
            self.refresh_connection(context, attributes, now_us);
            return;
        }
        let start_us = attributes.number(Attribute::RequestTime).map(|ns| ns / 1_000);
        let edge = in_flight_edge(attributes);
        self.buffer.open.name(context, edge, start_us, moved(attributes), now_us);
    }

    fn refresh_connection(&mut self, context: u32, attributes: &impl Attributes, now_us: u64) {
        let Buffer { connections, .. } = &mut self.buffer;
        if let Some(edge) = connections.edge(context).cloned() {
            let (request_bytes, response_bytes) = moved(attributes);
            let stats = RequestStats { request_bytes, response_bytes, ..RequestStats::default() };
            if connections.moved(context, &edge, &stats, now_us) {
                self.buffer.note(now_us);
            }
            return;
        }
        let young_us = self.config.as_ref().map_or(0, |config| config.open_age_ms.saturating_mul(1_000));
        let record = match self.builder.connection(attributes, None, young_us, now_us) {
            ConnectionState::Record(record) => record,
            ConnectionState::NotEstablished => return connections.looked(context, now_us),
            ConnectionState::CarriesHttp => return connections.carries_http(context),
        };
        if connections.moved(context, &record.edge, &record.stats, now_us) {
            self.buffer.note(now_us);
        }
    }

    /// Envoy does not know a request or a connection any more.
    pub fn gone(&mut self, context: u32) {
        if self.buffer.connections.close(context) == Closed::Unknown {
            self.buffer.open.forget(context);
        }
    }

    /// The next report to dispatch now.
    pub fn poll(&mut self, attributes: &impl Attributes, now_ms: u64) -> Option<Report> {
        let config = self.config.as_ref()?;
        let config_hash = self.config_hash;
        let proxy_identity = self.proxy_identity.get_or_insert_with(|| ProxyIdentity {
            proxy: attributes.text(Attribute::NodeId).unwrap_or_else(|| PROXY_UNNAMED.to_owned()),
            identity: identity::read(attributes, config_hash),
        });
        self.sender.poll(&mut self.buffer, proxy_identity, config, now_ms)
    }

    /// Plugin `root` dispatched batch `sequence`; its answer will carry `token`.
    pub fn dispatched(&mut self, root: u32, token: u32, sequence: u64) {
        self.calls.push(Call { token, root, sequence });
    }

    /// Envoy would not dispatch batch `sequence`. Returns whether reports went well until now.
    pub fn not_dispatched(&mut self, sequence: u64, now_ms: u64) -> bool {
        let healthy = !self.sender.is_failing();
        self.reply(sequence, Reply::Failed, now_ms);
        healthy
    }

    /// The call with `token` ended. Returns what it meant, and whether reports went well until now; `None` for a call
    /// that is not known.
    pub fn answered(
        &mut self,
        token: u32,
        status: u32,
        message: &[u8],
        now_ms: u64,
    ) -> Option<(Reply, bool)> {
        let place = self.calls.iter().position(|call| call.token == token)?;
        let call = self.calls.swap_remove(place);
        let healthy = !self.sender.is_failing();
        let reply = reply::read(call.sequence, status, message);
        self.reply(call.sequence, reply, now_ms);
        Some((reply, healthy))
    }

    /// The plugins other than `root` that wait for an answer, each once.
    #[must_use]
    pub fn roots_awaiting_reply(&self, root: u32) -> Vec<u32> {
        let mut roots: Vec<u32> = self.calls.iter().map(|call| call.root).filter(|r| *r != root).collect();
        roots.dedup();
        roots
    }

    /// Plugin `root` is gone, and Envoy cancelled its calls without a word.
    pub fn root_gone(&mut self, root: u32) {
        let Self { calls, sender, .. } = self;
        calls.retain(|call| {
            let stays = call.root != root;
            if !stays {
                sender.on_lost(call.sequence);
            }
            stays
        });
    }

    fn reply(&mut self, sequence: u64, reply: Reply, now_ms: u64) {
        if let Some(config) = &self.config {
            self.sender.on_reply(&mut self.buffer, config, sequence, reply, now_ms);
        }
    }
}

/// Bytes from the client and to it so far: of a connection all, of a request those of the bodies.
fn moved(attributes: &impl Attributes) -> (u64, u64) {
    let bytes = |attribute| attributes.number(attribute).unwrap_or(0);
    (bytes(Attribute::RequestSize), bytes(Attribute::ResponseSize))
}

#[cfg(test)]
mod tests;
