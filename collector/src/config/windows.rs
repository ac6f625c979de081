//! Section `windows`.

use super::section::section;

section! {
    /// The last five minutes of each edge in windows of 10 s, and the last minute of each called instance.
    "windows": Windows {
        /// What they may take; requests that find no room then are in no window, and are counted. 0 keeps none.
        bytes_max: usize = 12 << 20,
            { option: "windows-bytes-max", unit: "bytes", range: (0, 1 << 34), live: true };
        /// Called instances of each edge that are told apart; the rest of them is one.
        edge_instances_max: usize = 16,
            { option: "windows-edge-instances-max", unit: "instances", range: (1, 256), live: true };
    }
}
