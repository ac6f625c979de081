//! The declaration of one setting.
//!
//! Invariant: a value that a setting accepts has the type of the setting and lies in its range.

use super::value::{Kind, SettingType, Value};

/// Parts of a key that mark a text as a secret.
const SECRET_WORDS: [&str; 4] = ["password", "secret", "token", "credential"];

/// The declaration of one setting.
#[derive(Debug)]
pub struct Setting {
    /// Name of its section.
    pub section: &'static str,
    /// Key in the section.
    pub key: &'static str,
    /// Option of the command line without its dashes; empty for `<section>-<key>`.
    pub option: &'static str,
    /// Documentation, in whole sentences.
    pub doc: &'static str,
    /// Kind of its values.
    pub kind: Kind,
    /// Whether it may be `null`: unset.
    pub optional: bool,
    /// Unit of a number: `bytes`, `ms`, or the thing that is counted.
    pub unit: &'static str,
    /// Least and greatest number, both allowed.
    pub range: (u64, u64),
    /// Whether a reload changes it in the running collector. If not, only a restart does.
    pub live: bool,
    /// Whether its type can hold a value. [`Setting::accepts`] checks the range as well.
    pub holds: fn(&Value) -> bool,
}

impl Setting {
    /// A setting of type `T` with the default option, no unit and no range, that only a restart
    /// changes.
    #[must_use]
    pub const fn declared<T: SettingType>(
        section: &'static str,
        key: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            section,
            key,
            option: "",
            doc,
            kind: T::KIND,
            optional: T::OPTIONAL,
            unit: "",
            range: (0, u64::MAX),
            live: false,
            holds: holds::<T>,
        }
    }

    /// Section and key, as in `aggregate.series_max`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    /// Option of the command line, without its dashes.
    #[must_use]
    pub fn option(&self) -> String {
        let long = || format!("{}-{}", self.section, self.key).replace('_', "-");
        if self.option.is_empty() { long() } else { self.option.to_owned() }
    }

    /// Environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("HOPSCOPE_{}", self.option().replace('-', "_").to_ascii_uppercase())
    }

    /// Whether its value is masked wherever settings are shown. A secret has no option.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        let named_secret = || SECRET_WORDS.iter().any(|word| self.key.contains(word));
        self.kind == Kind::Secret || (self.kind == Kind::Text && named_secret())
    }

    /// Documentation on one line.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.doc.trim_start()
    }

    /// Description of valid values, such as `a whole number from 1 to 65536`.
    #[must_use]
    pub fn expected(&self) -> String {
        let (min, max) = self.range;
        match self.kind {
            Kind::Integer => format!("a whole number from {min} to {max}"),
            Kind::Boolean => "true or false".to_owned(),
            Kind::Text | Kind::Secret => "a text".to_owned(),
            Kind::Path => "the path of a file".to_owned(),
            Kind::Address => "IP:PORT, such as \"127.0.0.1:9464\"".to_owned(),
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
        }
    }

    /// Whether a value has the type of the setting and lies in its range.
    #[must_use]
    pub fn accepts(&self, value: &Value) -> bool {
        let (min, max) = self.range;
        let in_range = |number: &u64| (min..=max).contains(number);
        (self.holds)(value) && !matches!(value, Value::Integer(number) if !in_range(number))
    }

    /// Parses the text of an environment variable or an option.
    ///
    /// # Errors
    ///
    /// A description of valid values. The text itself, which may be a secret, is not part of the
    /// error.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        let value = match self.kind {
            Kind::Integer => text.parse().ok().map(Value::Integer),
            Kind::Boolean => text.parse().ok().map(Value::Boolean),
            _ => Some(Value::Text(text.to_owned())),
        };
        value.filter(|value| self.accepts(value)).ok_or_else(|| format!("must be {}", self.expected()))
    }
}

fn holds<T: SettingType>(value: &Value) -> bool {
    T::from_value(value).is_some()
}
