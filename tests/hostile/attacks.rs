//! All attacks, one file each.

mod announced_length;
mod announced_log;
mod connection_churn;
mod control_frames;
mod idle_http;
mod in_flight_rows;
mod large_reports;
mod list_readers;
mod log_entries;
mod malformed;
mod pipelined_heads;
mod silent_calls;
mod slow_heads;
mod slow_scrapers;

use crate::attack::Attack;

/// All attacks.
pub(crate) const ALL: &[Attack] = &[
    announced_length::ATTACK,
    announced_log::ATTACK,
    silent_calls::ATTACK,
    pipelined_heads::ATTACK,
    list_readers::ATTACK,
    slow_scrapers::ATTACK,
    slow_heads::ATTACK,
    idle_http::ATTACK,
    log_entries::ATTACK,
    large_reports::ATTACK,
    in_flight_rows::ATTACK,
    control_frames::PING,
    control_frames::SETTINGS,
    malformed::ATTACK,
    connection_churn::ATTACK,
];
