//! Values of settings, and the Rust types that a setting can have.
//!
//! Invariant: `T::from_value(&value.to_value())` returns an equal value.

use core::net::SocketAddr;
use std::fmt;
use std::path::PathBuf;

/// Text that replaces a secret wherever settings are shown.
pub const MASK: &str = "********";

/// Kind of the values of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number that is not negative.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Any text.
    Text,
    /// A text that is never shown. There is no option for it, since other users of the machine can
    /// read a command line.
    Secret,
    /// Path of a file or directory.
    Path,
    /// `IP:PORT`.
    Address,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// A value as a file, the environment or the command line gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`: an optional setting that is unset.
    Absent,
    /// A whole number.
    Integer(u64),
    /// `true` or `false`.
    Boolean(bool),
    /// A value of any other kind.
    Text(String),
}

/// A Rust type that a setting can have.
pub trait SettingType: Sized {
    /// Kind of its values.
    const KIND: Kind;
    /// Whether the value can be absent.
    const OPTIONAL: bool = false;
    /// Converts to a value.
    fn to_value(&self) -> Value;
    /// Converts from a value; `None` when this type cannot hold it.
    fn from_value(value: &Value) -> Option<Self>;
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(
    /// The text itself.
    pub String,
);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl SettingType for u64 {
    const KIND: Kind = Kind::Integer;

    fn to_value(&self) -> Value {
        Value::Integer(*self)
    }

    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Integer(number) = value { Some(*number) } else { None }
    }
}

impl SettingType for usize {
    const KIND: Kind = Kind::Integer;

    fn to_value(&self) -> Value {
        Value::Integer(*self as u64)
    }

    fn from_value(value: &Value) -> Option<Self> {
        u64::from_value(value).and_then(|number| Self::try_from(number).ok())
    }
}

impl SettingType for bool {
    const KIND: Kind = Kind::Boolean;

    fn to_value(&self) -> Value {
        Value::Boolean(*self)
    }

    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Boolean(on) = value { Some(*on) } else { None }
    }
}

impl SettingType for String {
    const KIND: Kind = Kind::Text;

    fn to_value(&self) -> Value {
        Value::Text(self.clone())
    }

    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Text(text) = value { Some(text.clone()) } else { None }
    }
}

impl SettingType for Secret {
    const KIND: Kind = Kind::Secret;

    fn to_value(&self) -> Value {
        self.0.to_value()
    }

    fn from_value(value: &Value) -> Option<Self> {
        String::from_value(value).map(Self)
    }
}

impl SettingType for PathBuf {
    const KIND: Kind = Kind::Path;

    fn to_value(&self) -> Value {
        Value::Text(self.to_string_lossy().into_owned())
    }

    fn from_value(value: &Value) -> Option<Self> {
        String::from_value(value).filter(|text| !text.is_empty()).map(Self::from)
    }
}

impl SettingType for SocketAddr {
    const KIND: Kind = Kind::Address;

    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn from_value(value: &Value) -> Option<Self> {
        String::from_value(value).and_then(|text| text.parse().ok())
    }
}

impl<T: SettingType> SettingType for Option<T> {
    const KIND: Kind = T::KIND;
    const OPTIONAL: bool = true;

    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Absent, T::to_value)
    }

    fn from_value(value: &Value) -> Option<Self> {
        if *value == Value::Absent { Some(None) } else { T::from_value(value).map(Some) }
    }
}

/// Implements `SettingType` for an enum: `choice!(Color { Red:
/// "red", Blue: "blue" });`
#[macro_export]
macro_rules! choice {
    ($type:ident { $($variant:ident: $word:literal),+ $(,)? }) => {
        impl $crate::settings::SettingType for $type {
            const KIND: $crate::settings::Kind = $crate::settings::Kind::Choice(&[$($word),+]);

            fn to_value(&self) -> $crate::settings::Value {
                let word = match self { $(Self::$variant => $word),+ };
                $crate::settings::Value::Text(word.to_owned())
            }

            fn from_value(value: &$crate::settings::Value) -> Option<Self> {
                let $crate::settings::Value::Text(word) = value else { return None };
                match word.as_str() { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}
