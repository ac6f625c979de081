//! Settings of the engine as bytes, for the journal.
//!
//! In: settings, or bytes. Out: the other. Invariant: every setting is written by its name, so that
//! a setting that is added later keeps its default when older bytes are read.

use super::Settings;
use crate::settings::{Sections, Value};
use crate::snapshot::Unreadable;
use crate::snapshot::bytes::{Reader, Writer, collected};
use crate::snapshot::codec::SnapshotValue;

/// Version of the list of values.
const VERSION: u64 = 1;
/// Bytes of the checksum that the writer appends.
const CHECKSUM_BYTES: usize = 4;

const ABSENT: u64 = 0;
const INTEGER: u64 = 1;
const BOOLEAN: u64 = 2;
const TEXT: u64 = 3;

impl Settings {
    /// Returns the settings as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = collected(|sink| {
            let mut to = Writer::after(&[], sink);
            let settings = Self::settings();
            VERSION.save(&mut to);
            settings.len().save(&mut to);
            for setting in settings {
                to.text(&setting.path());
                match self.value(setting) {
                    Value::Absent => to.number(ABSENT),
                    Value::Integer(number) => [INTEGER, number].into_iter().for_each(|it| to.number(it)),
                    Value::Boolean(is_on) => {
                        [BOOLEAN, u64::from(is_on)].into_iter().for_each(|it| to.number(it));
                    }
                    Value::Text(text) => {
                        to.number(TEXT);
                        to.text(&text);
                    }
                }
            }
            to.end();
        });
        // A frame of the journal has a checksum of its own.
        bytes.truncate(bytes.len().saturating_sub(CHECKSUM_BYTES));
        bytes
    }

    /// Reads settings.
    ///
    /// # Errors
    ///
    /// [`Unreadable`], when the bytes are of another version, name an unknown setting, or hold a
    /// value that the setting does not accept.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut from = Reader::new(bytes);
        let found = u64::load(&mut from)?;
        if found != VERSION {
            return Err(Unreadable::Version { section: "settings", found, known: VERSION });
        }
        let mut settings = Self::default();
        for _ in 0..from.count()? {
            let path = from.text()?;
            let value = match from.number()? {
                ABSENT => Value::Absent,
                INTEGER => Value::Integer(from.number()?),
                BOOLEAN => Value::Boolean(from.number()? != 0),
                TEXT => Value::Text(from.text()?.to_string()),
                _ => return Err(from.broken("no such kind of value")),
            };
            let setting = Self::settings().into_iter().find(|setting| setting.path() == *path);
            if !setting.is_some_and(|setting| settings.change(setting, &value)) {
                return Err(from.broken("no such setting, or a value of another type"));
            }
        }
        if from.is_empty() { Ok(settings) } else { Err(from.broken("bytes follow the settings")) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Settings, VERSION};

    #[test]
    fn settings_are_read_as_they_were_written() {
        let mut settings = Settings::default();
        settings.aggregate.namespace_series_max = Some(7);
        settings.windows.bytes_max = 1 << 40;
        settings.join.enabled = false;
        let mut bytes = settings.encode();
        assert_eq!(Settings::decode(&bytes).unwrap(), settings);
        assert!(Settings::decode(&bytes[..bytes.len() - 1]).is_err());
        bytes[0] = u8::try_from(VERSION + 1).unwrap();
        let error = Settings::decode(&bytes).unwrap_err().to_string();
        assert_eq!(error, "section `settings` has version 2; this hopscope reads version 1");
    }
}
