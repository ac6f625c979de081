//! What the bodies of streams and upgraded connections move, while they last.
//!
//! In: the series of streams. Out: three counters. Always holds: the labels are those of requests, without those that only the
//! end of a request tells.
//!
//! A stream is also a request, and stands in the families of requests with its size once it has ended; so these are no part of
//! those. They move every few seconds, as the proxies ask Envoy: a rate over them is what streams carry now.

use super::super::labels::Values;
use super::super::prometheus::{Exposition, Kind};
use super::FlowCounter;
use crate::runtime::reader::EngineReader;

/// Labels that are not known while a stream lasts.
const OF_THE_END: [&str; 4] = ["request_protocol", "response_code", "grpc_response_status", "response_flags"];

const COUNTERS: [FlowCounter; 3] = [
    (
        "hopscope_streams_total",
        "Requests that outlived their proxy's threshold and whose bodies brought something.",
        |counts| counts.opened,
    ),
    (
        "hopscope_stream_request_bytes_total",
        "Bytes of their bodies from the clients, as they flow.",
        |counts| counts.request_bytes,
    ),
    (
        "hopscope_stream_response_bytes_total",
        "Bytes of their bodies to the clients, as they flow.",
        |counts| counts.response_bytes,
    ),
];

/// All families.
pub(super) fn families(text: &mut Exposition<'_>, looks: &EngineReader) {
    let Some(rows) = looks.look(|engine| super::copied(engine.edges(), engine.streams())) else {
        return text.give_up();
    };
    let size = rows.len() as u64;
    let spelled = |key| {
        let values = Values::of(key);
        let known: Vec<_> =
            values.pairs().into_iter().filter(|(name, _)| !OF_THE_END.contains(name)).collect();
        text.spell(&known)
    };
    let rows: Vec<_> = rows.iter().map(|(key, series)| (spelled(key), series)).collect();
    super::counters(text, &COUNTERS, &rows);
    text.single("hopscope_stream_series", Kind::Gauge, "Series of streams.", size);
}
