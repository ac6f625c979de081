//! The types that a setting can have.
//!
//! In: values as a file, the environment or the command line give them. Out: Rust values, and back. Always holds: a value
//! that a type has written, it reads again as the same.

use serde_json::json;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What kind of thing a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number, not negative.
    Whole,
    /// `true` or `false`.
    Switch,
    /// Any text.
    Text,
    /// A text that is never shown. It has no option, since a command line can be read by others.
    Secret,
    /// The path of a file or folder.
    Path,
    /// `IP:PORT`.
    Address,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// A value on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`: an optional one that is not set.
    Absent,
    /// A whole number.
    Whole(u64),
    /// `true` or `false`.
    Switch(bool),
    /// All the rest.
    Text(String),
}

impl Value {
    /// The value as JSON has it, which is YAML, too.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::Absent => serde_json::Value::Null,
            Self::Whole(number) => json!(number),
            Self::Switch(on) => json!(on),
            Self::Text(text) => json!(text),
        }
    }
}

/// A type that a setting can have.
pub trait Typed: Sized {
    /// Which kind it is.
    const KIND: Kind;
    /// Whether it can be absent.
    const OPTIONAL: bool = false;
    /// The value of this.
    fn to_value(&self) -> Value;
    /// This from a value, if it is one.
    fn of_value(value: &Value) -> Option<Self>;
}

/// A text that nobody gets to see.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(
    /// The text itself.
    pub String,
);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(super::setting::MASK)
    }
}

impl Typed for u64 {
    const KIND: Kind = Kind::Whole;

    fn to_value(&self) -> Value {
        Value::Whole(*self)
    }

    fn of_value(value: &Value) -> Option<Self> {
        if let Value::Whole(number) = value { Some(*number) } else { None }
    }
}

impl Typed for usize {
    const KIND: Kind = Kind::Whole;

    fn to_value(&self) -> Value {
        Value::Whole(*self as u64)
    }

    fn of_value(value: &Value) -> Option<Self> {
        u64::of_value(value).and_then(|number| Self::try_from(number).ok())
    }
}

impl Typed for bool {
    const KIND: Kind = Kind::Switch;

    fn to_value(&self) -> Value {
        Value::Switch(*self)
    }

    fn of_value(value: &Value) -> Option<Self> {
        if let Value::Switch(on) = value { Some(*on) } else { None }
    }
}

impl Typed for String {
    const KIND: Kind = Kind::Text;

    fn to_value(&self) -> Value {
        Value::Text(self.clone())
    }

    fn of_value(value: &Value) -> Option<Self> {
        if let Value::Text(text) = value { Some(text.clone()) } else { None }
    }
}

impl Typed for Secret {
    const KIND: Kind = Kind::Secret;

    fn to_value(&self) -> Value {
        self.0.to_value()
    }

    fn of_value(value: &Value) -> Option<Self> {
        String::of_value(value).map(Self)
    }
}

impl Typed for PathBuf {
    const KIND: Kind = Kind::Path;

    fn to_value(&self) -> Value {
        Value::Text(self.to_string_lossy().into_owned())
    }

    fn of_value(value: &Value) -> Option<Self> {
        String::of_value(value).filter(|text| !text.is_empty()).map(Self::from)
    }
}

impl Typed for SocketAddr {
    const KIND: Kind = Kind::Address;

    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn of_value(value: &Value) -> Option<Self> {
        String::of_value(value).and_then(|text| text.parse().ok())
    }
}

impl<T: Typed> Typed for Option<T> {
    const KIND: Kind = T::KIND;
    const OPTIONAL: bool = true;

    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Absent, T::to_value)
    }

    fn of_value(value: &Value) -> Option<Self> {
        if *value == Value::Absent { Some(None) } else { T::of_value(value).map(Some) }
    }
}

/// Makes an enum a choice between words: `choice!(Durability { Disk: "disk", Memory: "memory" });`
macro_rules! choice {
    ($type:ident { $($variant:ident: $word:literal),+ $(,)? }) => {
        impl $crate::config::Typed for $type {
            const KIND: $crate::config::Kind = $crate::config::Kind::Choice(&[$($word),+]);

            fn to_value(&self) -> $crate::config::Value {
                let word = match self { $(Self::$variant => $word),+ };
                $crate::config::Value::Text(word.to_owned())
            }

            fn of_value(value: &$crate::config::Value) -> Option<Self> {
                let $crate::config::Value::Text(word) = value else { return None };
                match word.as_str() { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

pub(crate) use choice;
