//! Section `join`.

use super::section::section;

section! {
    /// The two sides of each hop, joined.
    "join": Join {
        /// Whether the two sides are joined at all. Without it there are no hops and no verdicts, and each request costs the
        /// collector about half.
        enabled: bool = true, { option: "join" };
        /// Requests that may wait for what the other side of their hop tells, 46 bytes each; one more takes the place of
        /// one that has waited for long. Twice the requests of a second that end in the mesh is enough.
        pending_max: usize = 1_000_000, { option: "join-pending-max", unit: "requests", range: (1_000, 100_000_000) };
        /// How long a request waits for what the other side tells. After a loss on the way there the other side may tell
        /// of it 7 s later.
        window_ms: u64 = 15_000, { option: "join-window-ms", unit: "ms", range: (1_000, 600_000), live: true };
        /// How long requests whose other side is there, and tells another end, wait for others of the same id that may fit
        /// better.
        pairing_delay_ms: u64 = 3_000, { unit: "ms", range: (0, 60_000), live: true };
        /// By how much the time of a called side may stick out of its caller's, beyond the known difference of their
        /// clocks.
        clock_tolerance_ms: u64 = 100, { unit: "ms", range: (0, 10_000), live: true };
        /// Edges whose hops have labels of their own; the hops of more are counted together. A smaller number takes no
        /// edge away, it only lets no more come.
        edges_max: usize = 100_000, { unit: "edges", range: (1, 16_777_215), live: true };
        /// An edge without requests for so long is taken out; what it counted stays in a sum.
        idle_s_max: u64 = 86_400, { unit: "s", range: (3_600, 2_592_000), live: true };
    }
}
