//! Section `detect_no_success`.

use crate::section;

section! {
    /// Detector of edges whose requests succeeded within the last five minutes and of which none
    /// has succeeded since.
    "detect_no_success": Settings {
        /// Whether the detector runs.
        enabled: bool = false, { live: true };
        /// Smallest number of failed requests since the last success.
        requests_min: u64 = 10, { unit: "requests", range: (1, 1 << 32), live: true };
    }
}
