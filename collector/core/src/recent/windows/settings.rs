//! Section `windows`.

use crate::section;

section! {
    /// The last five minutes of each edge in windows of 10 s, and the last minute of each
    /// destination instance.
    "windows": Settings {
        /// Largest size of all windows in memory. Requests beyond it are in no window, and a metric
        /// counts them. 0 stores none.
        bytes_max: usize = 12 << 20, { unit: "bytes", range: (0, 1 << 34), live: true };
        /// Largest number of destination instances of one edge with windows of their own. Further
        /// ones share one.
        edge_instances_max: usize = 16, { unit: "instances", range: (1, 256), live: true };
    }
}
