//! The stages of the engine, each named once.
//!
//! In: the name of a macro. Out: one call of it with the list. [`engine`] makes the struct, its
//! construction, its limits and read access from the list; `snapshot` the sections and `metrics`
//! the families, in the order of the list. Calls are static.
//!
//! The order in which a batch and a tick pass the stages is code in `engine.rs`: a stage runs more
//! than once or between the steps of another, with what those have returned.

/// Passes the list to a macro. A row is the documentation, `pub` for a stage that the interfaces
/// read or `own` for one that only the engine uses, the field and its type, and then:
///
/// - `settings`: its settings out of those of the engine, for `new` and `limit`; `exporting` for a
///   stage that has series with the exported labels; `none` for a stage without settings.
/// - `snapshot`: the version of the content of its section, or the reason to have none.
/// - `metrics`: the declarations of its families, and how to copy them from the engine at a time
///   (microseconds since the Unix epoch) into samples.
macro_rules! stages {
    ($generate:ident) => {
        $generate! {
            /// Ledger: batches and counts of each epoch.
            pub ledger: crate::ledger::Ledger,
                settings(|settings| settings.ledger.clone().into()),
                snapshot(4),
                metrics(crate::ledger::metrics::declared, |engine, _, to| engine.ledger.metrics(to));
            /// Address book: identities of proxies.
            pub address_book: crate::identity::AddressBook,
                settings(|settings| settings.identity.clone()),
                snapshot(5),
                metrics(crate::identity::metrics::declared, |engine, now_us, to| {
                    engine.address_book.metrics(now_us, to)
                });
            /// Resolved edges, by the id that all stages share.
            pub edges: crate::identity::EdgeTable,
                settings(crate::engine::edges_max),
                snapshot(1),
                metrics(none);
            /// Requests, connections and failed records whose edge is not resolved yet.
            pub pending: crate::engine::pending::PendingEdges,
                settings(|settings| settings.identity.pending()),
                snapshot(9),
                metrics(none);
            /// Requests whose callers the join may infer.
            pub pending_callers: crate::identity::PendingCallers,
                settings(|settings| settings.identity.caller_inference_max),
                snapshot(1),
                metrics(none);
            /// Series of requests.
            pub aggregate: crate::aggregate::Aggregate,
                settings(|settings| settings.aggregate.clone(), exporting),
                snapshot(6),
                metrics(crate::aggregate::metrics::declared, |engine, _, to| engine.aggregate.metrics(to));
            /// Series of TCP connections.
            pub connections: crate::aggregate::connections::ConnectionSeries,
                settings(|settings| settings.aggregate.clone(), exporting),
                snapshot(5),
                metrics(crate::aggregate::connections::metrics::tcp_declared, |engine, _, to| {
                    engine.connections.tcp_metrics(to)
                });
            /// Series of streams: bytes of requests that are in flight for long.
            pub streams: crate::aggregate::connections::ConnectionSeries,
                settings(|settings| settings.aggregate.clone(), exporting),
                snapshot(3),
                metrics(crate::aggregate::connections::metrics::streams_declared, |engine, _, to| {
                    engine.streams.stream_metrics(to)
                });
            /// Hops: both sides of each request, joined.
            pub join: crate::join::Join,
                settings(|settings| settings.join.clone(), exporting),
                snapshot(3),
                metrics(crate::join::metrics::declared, |engine, _, to| engine.join.metrics(to));
            /// Most recent failed requests and connections.
            pub failures: crate::recent::failures::Failures,
                settings(|settings| settings.failures.clone()),
                snapshot(1),
                metrics(crate::recent::failures::metrics::declared, |engine, _, to| {
                    engine.failures.metrics(engine.pending.failed_records(), to)
                });
            /// Last minutes of each edge.
            pub windows: crate::recent::windows::Windows,
                settings(|settings| settings.windows.clone()),
                snapshot(1),
                metrics(crate::recent::windows::metrics::declared, |engine, _, to| engine.windows.metrics(to));
            /// Requests in flight.
            pub in_flight: crate::recent::in_flight::InFlightRequests,
                settings(none),
                snapshot(none: "the proxies report them again"),
                metrics(crate::recent::in_flight::metrics::declared, |engine, now_us, to| {
                    engine.in_flight.metrics(now_us, to)
                });
            /// Detectors and their findings.
            pub detect: crate::detect::Detect,
                settings(|settings| settings.detect.clone()),
                snapshot(none: "the findings follow from the windows"),
                metrics(crate::detect::metrics::declared, |engine, _, to| engine.detect.metrics(to));
            /// Cache of resolved edges; empty after a restart.
            own edge_cache: crate::engine::edge_cache::EdgeCache,
                settings(crate::engine::edge_cache_max),
                snapshot(none: "it follows from the edges"),
                metrics(crate::engine::edge_cache::metrics::declared, |engine, _, to| engine.edge_cache.metrics(to));
        }
    };
}

/// Makes the engine from the list.
macro_rules! engine {
    ($(
        $(#[$doc:meta])+
        $reach:tt $name:ident: $stage:ty, settings $settings:tt, snapshot $snapshot:tt, metrics $metrics:tt;
    )*) => {
        /// State of all stages.
        #[derive(Debug)]
        pub struct Engine {
            $($(#[$doc])+ $name: $stage,)*
            /// Memory that counting a batch needs, reused from batch to batch.
            scratch: BatchScratch,
        }

        impl Engine {
            /// Creates an empty engine.
            #[must_use]
            pub fn new(settings: Settings) -> Self {
                Self {
                    $($name: engine!(@new settings, $stage, $settings),)*
                    scratch: BatchScratch::default(),
                }
            }

            /// Sets other limits. They apply to further data only; no state is removed.
            pub fn limit(&mut self, settings: Settings) {
                $(engine!(@limit self.$name, settings, $settings);)*
            }

            $(engine!(@read $reach $name: $stage, $(#[$doc])+);)*
        }
    };
    (@new $all:ident, $stage:ty, (none)) => {
        <$stage>::default()
    };
    (@new $all:ident, $stage:ty, ($settings:expr)) => {{
        let settings: fn(&Settings) -> _ = $settings;
        <$stage>::new(settings(&$all))
    }};
    (@new $all:ident, $stage:ty, ($settings:expr, exporting)) => {
        engine!(@new $all, $stage, ($settings)).exporting($all.metrics.exported())
    };
    (@limit $field:expr, $all:ident, (none)) => {};
    (@limit $field:expr, $all:ident, ($settings:expr $(, exporting)?)) => {{
        let settings: fn(&Settings) -> _ = $settings;
        $field.limit(settings(&$all));
    }};
    (@read own $name:ident: $stage:ty, $(#[$doc:meta])+) => {};
    (@read pub $name:ident: $stage:ty, $(#[$doc:meta])+) => {
        $(#[$doc])+
        #[must_use]
        pub fn $name(&self) -> &$stage {
            &self.$name
        }
    };
}

pub(super) use {engine, stages};
