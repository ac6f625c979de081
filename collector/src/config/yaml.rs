//! A YAML document with the place of everything in it.
//!
//! In: text. Out: a [`Node`], or the one reason why the text is no YAML document. Always holds: lines and columns count
//! from 1; aliases and merge keys are resolved; depth and number of nodes are bounded.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DefaultMessageFormatter, DuplicateKeyPolicy, Error, Location, MessageFormatter, Spanned};
use std::fmt;

const DEPTH_MAX: usize = 16;
const NODES_MAX: usize = 20_000;

/// A scalar, as YAML 1.2 reads it.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// `null`, `~`, or nothing.
    Null,
    /// `true` or `false`.
    Switch(bool),
    /// A whole number that is not negative.
    Whole(u64),
    /// Any other number.
    Number(String),
    /// Text.
    Text(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("nothing"),
            Self::Switch(on) => write!(f, "{on}"),
            Self::Whole(number) => write!(f, "{number}"),
            Self::Number(number) => f.write_str(number),
            Self::Text(text) => write!(f, "the text {text:?}"),
        }
    }
}

/// What stands at a place.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A scalar.
    Scalar(Scalar),
    /// A list.
    List,
    /// A mapping: keys with their places, in order.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub text: String,
    /// Its line.
    pub line: u64,
    /// Its column.
    pub column: u64,
}

/// A part of the document.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub content: Content,
    /// Its line.
    pub line: u64,
    /// Its column.
    pub column: u64,
}

/// Why a text is no YAML document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The reason.
    pub message: String,
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

/// Reads one document; an empty text is an empty mapping.
///
/// # Errors
///
/// The first thing that is malformed.
pub fn parse(text: &str) -> Result<Node, Malformed> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEPTH_MAX, max_nodes: NODES_MAX },
        // Repeated keys are found by the reader of the tree, who knows both places.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
    };
    let spanned: Spanned<Content> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| malformed(&error))?;
    Ok(node(spanned))
}

fn malformed(error: &Error) -> Malformed {
    let place = error.location().unwrap_or(Location::UNKNOWN);
    let message = match error.without_snippet() {
        Error::MultipleDocuments { .. } => "there is a second document".into(),
        other => DefaultMessageFormatter.format_message(other),
    };
    // Keys of the file may be part of it, and the message goes to terminals and logs.
    let message = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Malformed { message, line: place.line().max(1), column: place.column().max(1) }
}

fn node(spanned: Spanned<Content>) -> Node {
    let Spanned { value: content, referenced, .. } = spanned;
    Node { content, line: referenced.line().max(1), column: referenced.column().max(1) }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping, a list or a scalar")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Scalar::Null))
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Scalar::Null))
    }

    fn visit_bool<E>(self, on: bool) -> Result<Content, E> {
        Ok(Content::Scalar(Scalar::Switch(on)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Content, E> {
        Ok(Content::Scalar(Scalar::Whole(number)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Content, E> {
        let scalar = u64::try_from(number).map_or_else(|_| Scalar::Number(number.to_string()), Scalar::Whole);
        Ok(Content::Scalar(scalar))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Content, E> {
        Ok(Content::Scalar(Scalar::Number(number.to_string())))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Content, E> {
        Ok(Content::Scalar(Scalar::Number(number.to_string())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Content, E> {
        Ok(Content::Scalar(Scalar::Number(number.to_string())))
    }

    fn visit_str<E>(self, text: &str) -> Result<Content, E> {
        Ok(Content::Scalar(Scalar::Text(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Content, A::Error> {
        while list.next_element::<Spanned<Self::Value>>()?.is_some() {}
        Ok(Content::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Spanned<Self::Value>>()? {
            let Spanned { value: text, referenced, .. } = key;
            let key = Key { text, line: referenced.line().max(1), column: referenced.column().max(1) };
            entries.push((key, node(value)));
        }
        Ok(Content::Map(entries))
    }
}
