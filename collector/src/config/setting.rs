//! What is declared once of every setting, and everything else follows from: its key, option, environment variable,
//! default, range, documentation and schema.
//!
//! In: a declaration in a section's file. Out: a [`Setting`]. Always holds: a value that a setting accepts has its type
//! and lies in its range; a secret is never shown.

use super::value::{Kind, Typed, Value};

/// Parts of a key that say that its value is nobody's business, whatever its type.
const SECRETIVE: [&str; 4] = ["password", "secret", "token", "credential"];

/// What a secret is shown as.
pub const MASK: &str = "********";

/// The declaration of one setting.
#[derive(Debug)]
pub struct Setting {
    /// The section it stands in.
    pub section: &'static str,
    /// Its key there.
    pub key: &'static str,
    /// The option without its dashes; empty means `<section>-<key>`.
    pub option: &'static str,
    /// What it is for, in whole sentences.
    pub doc: &'static str,
    /// The type.
    pub kind: Kind,
    /// Whether it may be `null`: not set.
    pub optional: bool,
    /// The unit of a number: `bytes`, `ms`, or what is counted.
    pub unit: &'static str,
    /// Least and greatest number, both allowed.
    pub range: (u64, u64),
    /// Whether a reload changes it in the running collector. If not, it takes a restart.
    pub live: bool,
    /// Whether the type can hold the value.
    pub(super) holds: fn(&Value) -> bool,
}

impl Setting {
    /// A setting of type `T` about which nothing special was declared.
    pub(super) const fn declared<T: Typed>(
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

    /// The option of the command line, without its dashes.
    #[must_use]
    pub fn option(&self) -> String {
        let long = || format!("{}-{}", self.section, self.key).replace('_', "-");
        if self.option.is_empty() { long() } else { self.option.to_owned() }
    }

    /// The environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("HOPSCOPE_{}", self.option().replace('-', "_").to_ascii_uppercase())
    }

    /// Whether its value is shown to nobody.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        let names_a_secret = || SECRETIVE.iter().any(|part| self.key.contains(part));
        self.kind == Kind::Secret || (self.kind == Kind::Text && names_a_secret())
    }

    /// What it is for, on one line.
    #[must_use]
    pub fn sentence(&self) -> &'static str {
        self.doc.trim_start()
    }

    /// What a value has to be, such as `a whole number from 1 to 65536`.
    #[must_use]
    pub fn expected(&self) -> String {
        let (min, max) = self.range;
        match self.kind {
            Kind::Whole => format!("a whole number from {min} to {max}"),
            Kind::Switch => "true or false".to_owned(),
            Kind::Text | Kind::Secret => "a text".to_owned(),
            Kind::Path => "the path of a file".to_owned(),
            Kind::Address => "IP:PORT, such as \"127.0.0.1:9464\"".to_owned(),
            Kind::Choice(names) => format!("one of {}", names.join(", ")),
        }
    }

    /// Whether a value has the right type and lies in the range.
    #[must_use]
    pub fn accepts(&self, value: &Value) -> bool {
        let (min, max) = self.range;
        let in_range = |number: &u64| (min..=max).contains(number);
        (self.holds)(value) && !matches!(value, Value::Whole(number) if !in_range(number))
    }

    /// A value from an environment variable or an option, where everything is text.
    ///
    /// # Errors
    ///
    /// What it must be instead; the text of a secret is not repeated.
    pub fn of_text(&self, text: &str) -> Result<Value, String> {
        let value = match self.kind {
            Kind::Whole => text.parse().ok().map(Value::Whole),
            Kind::Switch => text.parse().ok().map(Value::Switch),
            _ => Some(Value::Text(text.to_owned())),
        };
        value.filter(|value| self.accepts(value)).ok_or_else(|| format!("must be {}", self.expected()))
    }
}

fn holds<T: Typed>(value: &Value) -> bool {
    T::of_value(value).is_some()
}
