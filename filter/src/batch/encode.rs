//! MessageCounts of the contract, written field by field.
//!
//! In: fields, by their numbers in `hopscope/v1/telemetry.proto`. Out: bytes. Always holds: they are what prost would write, so
//! that what is 0 or empty takes none, save where a method says otherwise; tests of each message keep it. It is written out
//! since prost needs two functions for each message, one of them to know lengths before, and rows to be copied into its types
//! first: a tenth of the code that each proxy compiles.

/// EncodedMessage types: an integer, eight bytes, what has a length.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH_DELIMITED: u32 = 2;

/// A message, or a part of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncodedMessage(Vec<u8>);

impl EncodedMessage {
    /// Integers, enumerations and flags of fields that follow each other.
    pub fn numbers(&mut self, first: u32, values: &[u64]) {
        for (field, value) in (first..).zip(values).filter(|(_, value)| **value != 0) {
            self.number(field, *value);
        }
    }

    /// An integer, even if it is 0.
    pub fn number(&mut self, field: u32, value: u64) {
        self.key(field, VARINT);
        put(&mut self.0, value);
    }

    /// Integers of one field, one after the other.
    pub fn packed(&mut self, field: u32, values: &[u64]) {
        let mut packed = Vec::new();
        values.iter().for_each(|value| put(&mut packed, *value));
        if !packed.is_empty() {
            self.bytes(field, &packed);
        }
    }

    /// An integer of eight bytes.
    pub fn fixed(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.key(field, FIXED64);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// A text.
    pub fn text(&mut self, field: u32, text: &str) {
        if !text.is_empty() {
            self.bytes(field, text.as_bytes());
        }
    }

    /// A message within this one, even if it is empty.
    pub fn message(&mut self, field: u32, message: &Self) {
        self.bytes(field, &message.0);
    }

    /// Bytes, or one of several texts, even if there are none in it.
    pub fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.key(field, LENGTH_DELIMITED);
        put(&mut self.0, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.0.extend_from_slice(bytes);
    }

    /// Fields that were written apart.
    pub fn append(&mut self, fields: &Self) {
        self.0.extend_from_slice(&fields.0);
    }

    /// The bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, field: u32, wire_type: u32) {
        put(&mut self.0, u64::from(field << 3 | wire_type));
    }
}

/// Appends a number, seven bits to a byte, the lowest first.
pub fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

/// Small numbers of either sign become small ones.
#[must_use]
pub fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}
