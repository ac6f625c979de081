//! Declarations of settings: a section per stage, one line per setting.
//!
//! A stage declares its section in its own `settings.rs`, with [`section!`](crate::section), and
//! [`sections!`](crate::sections) groups sections. Defaults, options, environment variables,
//! checks, documentation and JSON Schema all follow from the declaration. This module reads no
//! file, no environment and no command line: the program does that and calls [`Sections::change`].
//!
//! # Adding a setting
//!
//! One line in the `settings.rs` of its stage. The stage reads the field.
//!
//! ```
//! hopscope_core::section! {
//!     /// Files of the store.
//!     "store": Store {
//!         /// Largest size of a file.
//!         file_bytes_max: u64 = 64 << 20, { unit: "bytes", range: (1 << 20, 1 << 30), live: true };
//!         /// Directory of the files. Unset: the store is in memory.
//!         directory: Option<std::path::PathBuf> = None;
//!     }
//! }
//!
//! use hopscope_core::settings::Sections;
//! let options: Vec<String> = Store::settings().iter().map(|setting| setting.option()).collect();
//! assert_eq!(options, ["store-file-bytes-max", "store-directory"]);
//! ```
//!
//! `option:` names a shorter option, and with it a shorter environment variable. `live: true` means
//! that a reload changes the setting in the running collector.
//!
//! # Adding a stage
//!
//! Its `settings.rs`, and one line in the list of sections of
//! [`engine::Settings`](crate::engine::Settings).

mod section;
mod setting;
mod value;

pub use section::{Conflict, Section, Sections};
pub use setting::Setting;
pub use value::{Kind, MASK, Secret, SettingType, Value};

/// Microseconds of a number of seconds, at most [`u64::MAX`].
#[must_use]
pub const fn seconds_us(seconds: u64) -> u64 {
    seconds.saturating_mul(1_000_000)
}

/// Microseconds of a number of milliseconds, at most [`u64::MAX`].
#[must_use]
pub const fn milliseconds_us(milliseconds: u64) -> u64 {
    milliseconds.saturating_mul(1_000)
}

#[cfg(test)]
mod tests;
