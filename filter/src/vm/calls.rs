//! The gRPC calls in flight.

/// The calls: as many as batches may be in flight, so that a list is enough.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    token: u32,
    root: u32,
    sequence: u64,
}

impl Calls {
    /// Adds the call of a root context for batch `sequence`.
    pub(super) fn add(&mut self, root: u32, token: u32, sequence: u64) {
        self.calls.push(Call { token, root, sequence });
    }

    /// Removes the call with a token. Returns the sequence number of its batch.
    pub(super) fn remove(&mut self, token: u32) -> Option<u64> {
        let index = self.calls.iter().position(|call| call.token == token)?;
        Some(self.calls.swap_remove(index).sequence)
    }

    /// Removes all calls of a root context, and passes the sequence number of each to `on_lost`.
    pub(super) fn remove_root(&mut self, root: u32, mut on_lost: impl FnMut(u64)) {
        self.calls.retain(|call| {
            let stays = call.root != root;
            if !stays {
                on_lost(call.sequence);
            }
            stays
        });
    }

    /// Returns whether a root context has a call.
    pub(super) fn has_root(&self, root: u32) -> bool {
        self.calls.iter().any(|call| call.root == root)
    }

    /// Returns the root contexts with a call, other than `root`, each once.
    pub(super) fn roots_except(&self, root: u32) -> Vec<u32> {
        let mut roots: Vec<u32> = self.calls.iter().map(|call| call.root).filter(|r| *r != root).collect();
        roots.dedup();
        roots
    }
}
