//! Attack: what one kind of hostile client does.

use crate::collector::Target;
use std::pin::Pin;
use std::time::Duration;

/// Future of an attack.
pub(crate) type Attacking = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One attack.
pub(crate) struct Attack {
    /// Name in the table.
    pub(crate) name: &'static str,
    /// Whether it is a part of the short selection.
    pub(crate) is_quick: bool,
    /// Edges that the collector holds before.
    pub(crate) edges: u32,
    /// Attacks until the end of the time.
    pub(crate) run: fn(Target, Duration) -> Attacking,
}
