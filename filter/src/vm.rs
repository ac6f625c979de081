//! The state of one VM, shared by all plugins in it: configuration, in-flight trackers, buffer and
//! sender.
//!
//! In: configurations, begin and end of requests, ticks, replies. Out: batches to dispatch.
//! Invariant: without a valid configuration nothing is recorded; an invalid one leaves the last
//! valid one in force. A reply is matched to its batch. The call of a plugin that has ended counts
//! as lost. Callers give the wall clock; ages and deadlines are by a clock without its steps.

mod calls;
mod clock;

use crate::attributes::{Attribute, Attributes};
use crate::config::{self, Config, ProxyLocation};
use crate::in_flight::{ClosedConnection, InFlight, bytes_since};
use crate::record::{ConnectionState, KnownConnection, Now, RecordBuilder, RequestStats, in_flight_edge};
use crate::report::{Buffer, OutgoingBatch, ProxyIdentity, Reply, Sender, read_reply};
use calls::Calls;
use clock::Clock;

/// The state of one VM.
#[derive(Debug)]
pub struct Vm {
    config: Option<Config>,
    config_hash: u64,
    identity: Option<ProxyIdentity>,
    builder: RecordBuilder,
    in_flight: InFlight,
    buffer: Buffer,
    sender: Sender,
    calls: Calls,
    clock: Clock,
    /// The root contexts (plugins) that exist, a few for each configuration, and whether each has
    /// seen a request.
    roots: Vec<(u32, bool)>,
}

impl Vm {
    /// Returns a VM without a configuration; `seed` is random and becomes the epoch.
    #[must_use]
    #[inline(never)]
    pub fn new(seed: u64) -> Self {
        Self {
            config: None,
            config_hash: 0,
            identity: None,
            builder: RecordBuilder::default(),
            in_flight: InFlight::default(),
            buffer: Buffer::default(),
            sender: Sender::new(seed),
            calls: Calls::default(),
            clock: Clock::default(),
            roots: Vec::new(),
        }
    }

    /// Adds a root context.
    pub fn root_created(&mut self, root: u32) {
        self.roots.push((root, false));
        self.sender.resume();
    }

    /// Removes a context if it is a root context. Returns whether it was the last one, so that all
    /// buffered data is due at once.
    pub fn root_done(&mut self, context: u32) -> bool {
        let Some(index) = self.roots.iter().position(|(root, _)| *root == context) else { return false };
        self.roots.swap_remove(index);
        if self.roots.is_empty() {
            // Envoy has cancelled the calls of the other root contexts.
            for other in self.roots_awaiting_reply(context) {
                self.root_gone(other);
            }
            self.sender.shut_down();
        }
        self.roots.is_empty()
    }

    /// Returns whether a root context has ended, without a call in flight.
    #[must_use]
    pub fn is_drained(&self, root: u32) -> bool {
        self.roots.iter().all(|(known, _)| *known != root) && !self.calls.has_root(root)
    }

    /// Applies a plugin configuration.
    ///
    /// # Errors
    /// One line with the mistake; the configuration in force stays.
    pub fn configure(&mut self, bytes: &[u8], location: &ProxyLocation) -> Result<&Config, String> {
        let config = Config::parse(bytes, location)?;
        self.config_hash = config::hash(bytes);
        self.builder.set_waypoint(location.is_waypoint);
        self.identity = None;
        Ok(self.config.insert(config))
    }

    /// Returns the configuration in force.
    #[must_use]
    pub fn config(&self) -> Option<&Config> {
        self.config.as_ref()
    }

    /// Begins a request of a root context. Returns whether it is the root's first request.
    pub fn begin(&mut self, context: u32, root: u32) -> bool {
        self.in_flight.requests.begin(context, root);
        let seen = self.roots.iter_mut().find(|(known, _)| *known == root).map(|(_, seen)| seen);
        seen.is_some_and(|seen| !std::mem::replace(seen, true))
    }

    /// Marks a context that just began as a TCP connection.
    pub fn connect(&mut self, context: u32) {
        self.in_flight.connect(context);
    }

    /// Returns the in-flight requests and connections.
    #[must_use]
    pub fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// Returns the buffered records and the ledger.
    #[must_use]
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// Returns the sender.
    #[must_use]
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Returns the builder of records.
    #[must_use]
    pub fn builder(&self) -> &RecordBuilder {
        &self.builder
    }

    /// Records the request that just ended, or the connection that just closed.
    pub fn observe(&mut self, context: u32, attributes: &impl Attributes, now_us: u64) {
        let now = self.clock.read(now_us);
        let requests = &mut self.in_flight.requests;
        if requests.is_resolved(context) {
            requests.update_bytes(context, bytes_so_far(attributes));
        }
        let root = requests.end(context, now.steady_us);
        if root.is_none() {
            if self.close(context, attributes, now) {
                return;
            }
            self.in_flight.requests.end_untracked();
        }
        if let Some(config) = &self.config {
            let record = self.builder.request(attributes, now);
            if let Some(root) = root {
                self.in_flight.requests.set_reporter(root, record.edge.reporter);
            }
            self.buffer.push(&record, config, now.steady_us);
        }
    }

    /// Records a connection that closed; `false` when the context is not a connection.
    fn close(&mut self, context: u32, attributes: &impl Attributes, now: Now) -> bool {
        let connections = &mut self.in_flight.connections;
        let (opened_us, reported) = match connections.close(context) {
            ClosedConnection::Tracked { opened_us, reported } => (opened_us, reported),
            ClosedConnection::CarriedHttp => return true,
            // Only requests have a duration.
            ClosedConnection::Unknown
                if connections.has_untracked() && attributes.bytes(Attribute::RequestDuration).is_none() =>
            {
                connections.close_untracked();
                (0, None)
            }
            ClosedConnection::Unknown => return false,
        };
        let Some(config) = &self.config else { return true };
        let edge = reported.as_ref().map(|reported| reported.edge.clone());
        let known = KnownConnection { edge, opened_us };
        if let ConnectionState::Record(mut record) = self.builder.connection(attributes, known, 0, now) {
            let (request_bytes, response_bytes) = bytes_since(reported.as_ref(), &record.stats);
            record.stats.request_bytes = request_bytes;
            record.stats.response_bytes = response_bytes;
            record.outcome.continued = reported.is_some();
            self.buffer.push(&record, config, now.steady_us);
        }
        true
    }

    /// Returns the in-flight requests and connections to refresh from Envoy now, a bounded number.
    pub fn due_for_refresh(&mut self, now_us: u64) -> Vec<u32> {
        let now_us = self.clock.read(now_us).steady_us;
        let Some(config) = &self.config else { return Vec::new() };
        self.in_flight.due_for_refresh(now_us, config)
    }

    /// Refreshes the in-flight request or connection that Envoy's callback was made to be about.
    pub fn refresh(&mut self, context: u32, attributes: &impl Attributes, now_us: u64) {
        let now = self.clock.read(now_us);
        if self.in_flight.connections.contains(context) {
            self.refresh_connection(context, attributes, now);
            return;
        }
        let start_us = attributes.number(Attribute::RequestTime).map(|ns| ns / 1_000);
        let edge = in_flight_edge(attributes);
        self.in_flight.requests.refresh(context, edge, start_us, bytes_so_far(attributes), now);
    }

    fn refresh_connection(&mut self, context: u32, attributes: &impl Attributes, now: Now) {
        let now_us = now.steady_us;
        let connections = &mut self.in_flight.connections;
        if let Some(edge) = connections.edge(context).cloned() {
            let (request_bytes, response_bytes) = bytes_so_far(attributes);
            let stats = RequestStats { request_bytes, response_bytes, ..RequestStats::default() };
            if connections.update_bytes(context, &edge, &stats, now_us) {
                self.buffer.note_delta(now_us);
            }
            return;
        }
        let establish_us = self.config.as_ref().map_or(0, |config| config.open_age_ms.saturating_mul(1_000));
        let known = KnownConnection { edge: None, opened_us: connections.opened_us(context) };
        let record = match self.builder.connection(attributes, known, establish_us, now) {
            ConnectionState::Record(record) => record,
            ConnectionState::NotEstablished => return connections.mark_refreshed(context, now_us),
            ConnectionState::CarriesHttp => return connections.mark_http(context),
        };
        if connections.update_bytes(context, &record.edge, &record.stats, now_us) {
            self.buffer.note_delta(now_us);
        }
    }

    /// Removes a request or connection that Envoy no longer knows.
    pub fn remove_in_flight(&mut self, context: u32) {
        self.in_flight.remove(context);
    }

    /// Returns the next batch to dispatch now.
    pub fn poll(&mut self, attributes: &impl Attributes, now_ms: u64) -> Option<OutgoingBatch> {
        let now_ms = self.clock.read_ms(now_ms).steady_us / 1_000;
        let config = self.config.as_ref()?;
        let config_hash = self.config_hash;
        let identity = self.identity.get_or_insert_with(|| ProxyIdentity::read(attributes, config_hash));
        self.sender.poll(&mut self.buffer, &mut self.in_flight, identity, config, now_ms)
    }

    /// Stores that a root context dispatched batch `sequence`; the reply will carry `token`.
    pub fn dispatched(&mut self, root: u32, token: u32, sequence: u64) {
        self.calls.add(root, token, sequence);
    }

    /// Applies that Envoy could not dispatch batch `sequence`. Returns whether the report before
    /// succeeded.
    pub fn not_dispatched(&mut self, sequence: u64, now_ms: u64) -> bool {
        let healthy = !self.sender.is_failing();
        self.reply(sequence, Reply::Failed, now_ms);
        healthy
    }

    /// Applies the end of the call with `token`. Returns the reply, and whether the report before
    /// succeeded; `None` for an unknown call.
    pub fn answered(
        &mut self,
        token: u32,
        status: u32,
        message: &[u8],
        now_ms: u64,
    ) -> Option<(Reply, bool)> {
        let sequence = self.calls.remove(token)?;
        let healthy = !self.sender.is_failing();
        let reply = read_reply(sequence, status, message);
        self.reply(sequence, reply, now_ms);
        Some((reply, healthy))
    }

    /// Returns the root contexts other than `root` that await a reply, each once.
    #[must_use]
    pub fn roots_awaiting_reply(&self, root: u32) -> Vec<u32> {
        self.calls.roots_except(root)
    }

    /// Requeues the batches of a root context that has ended: Envoy cancels its calls without a
    /// callback.
    pub fn root_gone(&mut self, root: u32) {
        let Self { calls, sender, .. } = self;
        calls.remove_root(root, |sequence| sender.on_lost(sequence));
    }

    fn reply(&mut self, sequence: u64, reply: Reply, now_ms: u64) {
        let now_ms = self.clock.read_ms(now_ms).steady_us / 1_000;
        if let Some(config) = &self.config {
            self.sender.on_reply(&mut self.buffer, config, sequence, reply, now_ms);
        }
    }
}

/// Returns the bytes from and to the client so far: of a connection all, of a request those of the
/// bodies.
fn bytes_so_far(attributes: &impl Attributes) -> (u64, u64) {
    let bytes = |attribute| attributes.number(attribute).unwrap_or(0);
    (bytes(Attribute::RequestSize), bytes(Attribute::ResponseSize))
}

#[cfg(test)]
mod tests;
