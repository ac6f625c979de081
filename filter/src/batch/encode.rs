//! The protobuf encoder: messages of the contract, written field by field.
//!
//! In: fields, by their numbers in `hopscope/v1/telemetry.proto`. Out: bytes.
//! Invariant: the bytes equal those of prost, so that 0 and empty values are omitted, except where
//! a method says otherwise; tests of each message check it. prost needs two functions for each
//! message, one of them for lengths, and a copy of each row into its types: a tenth of the code
//! that each proxy compiles.

/// Wire types: varint, eight bytes, length-delimited.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH_DELIMITED: u32 = 2;

/// An encoded message, or a part of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncodedMessage(Vec<u8>);

impl EncodedMessage {
    /// Appends integers, enumerations and flags of consecutive fields.
    pub fn numbers(&mut self, first: u32, values: &[u64]) {
        for (field, value) in (first..).zip(values).filter(|(_, value)| **value != 0) {
            self.number(field, *value);
        }
    }

    /// Appends an integer, including 0.
    pub fn number(&mut self, field: u32, value: u64) {
        self.key(field, VARINT);
        put(&mut self.0, value);
    }

    /// Appends a packed field of integers.
    pub fn packed(&mut self, field: u32, values: &[u64]) {
        let mut packed = Vec::new();
        values.iter().for_each(|value| put(&mut packed, *value));
        if !packed.is_empty() {
            self.bytes(field, &packed);
        }
    }

    /// Appends an integer of eight bytes.
    pub fn fixed(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.key(field, FIXED64);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// Appends a text.
    pub fn text(&mut self, field: u32, text: &str) {
        if !text.is_empty() {
            self.bytes(field, text.as_bytes());
        }
    }

    /// Appends a nested message, including an empty one.
    pub fn message(&mut self, field: u32, message: &Self) {
        self.bytes(field, &message.0);
    }

    /// Appends bytes, or one text of a repeated field, including empty ones.
    pub fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.key(field, LENGTH_DELIMITED);
        put(&mut self.0, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.0.extend_from_slice(bytes);
    }

    /// Appends fields that were encoded apart.
    pub fn append(&mut self, fields: &Self) {
        self.0.extend_from_slice(&fields.0);
    }

    /// Returns the bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, field: u32, wire_type: u32) {
        put(&mut self.0, u64::from(field << 3 | wire_type));
    }
}

/// Appends a varint: seven bits in each byte, the lowest first.
pub(super) fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

/// Returns the zigzag encoding, which maps numbers of small magnitude to small numbers.
pub(super) fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}
