//! YAML documents with the line and column of each node.
//!
//! In: text. Out: a [`Node`], or the first syntax error.
//! Invariant: lines and columns count from 1; aliases and merge keys are resolved; depth and number
//! of nodes are bounded.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DefaultMessageFormatter, DuplicateKeyPolicy, Error, Location, MessageFormatter, Spanned};
use std::fmt;

const DEPTH_MAX: usize = 16;
const NODES_MAX: usize = 20_000;

/// A scalar of YAML 1.2.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// `null`, `~`, or no text.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number that is not negative.
    Integer(u64),
    /// Any other number.
    Number(String),
    /// Text.
    Text(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("nothing"),
            Self::Boolean(on) => write!(f, "{on}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Number(number) => f.write_str(number),
            Self::Text(text) => write!(f, "the text {text:?}"),
        }
    }
}

/// Content of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A scalar.
    Scalar(Scalar),
    /// A list.
    List,
    /// A mapping: its entries in the order of the text.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Text of the key.
    pub text: String,
    /// Line.
    pub line: u64,
    /// Column.
    pub column: u64,
}

/// A node of the document.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Content.
    pub content: Content,
    /// Line.
    pub line: u64,
    /// Column.
    pub column: u64,
}

/// A syntax error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Reason.
    pub message: String,
    /// Line.
    pub line: u64,
    /// Column.
    pub column: u64,
}

/// Parses one document. An empty text is `null`.
///
/// # Errors
///
/// The first syntax error.
pub fn parse(text: &str) -> Result<Node, Malformed> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEPTH_MAX, max_nodes: NODES_MAX },
        // The reader of the nodes reports repeated keys, since it knows both lines.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
    };
    let spanned: Spanned<Content> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| malformed(&error))?;
    Ok(node(spanned))
}

fn malformed(error: &Error) -> Malformed {
    let location = error.location().unwrap_or(Location::UNKNOWN);
    let message = match error.without_snippet() {
        Error::MultipleDocuments { .. } => "there is a second document".into(),
        other => DefaultMessageFormatter.format_message(other),
    };
    // The message may contain keys of the file, and goes to terminals and logs.
    let message = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Malformed { message, line: location.line().max(1), column: location.column().max(1) }
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
        Ok(Content::Scalar(Scalar::Boolean(on)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Content, E> {
        Ok(Content::Scalar(Scalar::Integer(number)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Content, E> {
        let scalar =
            u64::try_from(number).map_or_else(|_| Scalar::Number(number.to_string()), Scalar::Integer);
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
