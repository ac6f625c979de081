//! Iterator over the fields of an encoded protobuf message, without decoding their content.
//!
//! Out: number and bytes of every length-delimited field; all other fields are skipped.
//! Invariant: the walk allocates nothing, and ends at the first error.

/// Error: the bytes are not a protobuf message. Holds the problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InvalidField(pub(crate) &'static str);

/// Iterator over the length-delimited fields of a message.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Starts at the first field.
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn advance(&mut self, length: usize) -> Result<&'a [u8], InvalidField> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(InvalidField("a field is truncated"))?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Reads a varint: a key, a length, or a value of wire type 0.
    fn varint(&mut self) -> Result<usize, InvalidField> {
        prost::decode_length_delimiter(&mut self.rest).map_err(|_| InvalidField("a varint is invalid"))
    }

    /// Reads a field; returns `None` if it is not length-delimited.
    fn field(&mut self) -> Result<Option<(usize, &'a [u8])>, InvalidField> {
        let key = self.varint()?;
        match key & 7 {
            0 => self.varint().map(|_| None),
            1 => self.advance(8).map(|_| None),
            2 => {
                let length = self.varint()?;
                Ok(Some((key >> 3, self.advance(length)?)))
            }
            5 => self.advance(4).map(|_| None),
            // Groups do not exist in proto3; other wire types are undefined.
            _ => Err(InvalidField("a field has an unknown wire type")),
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(usize, &'a [u8]), InvalidField>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            match self.field() {
                Ok(None) => {}
                Ok(Some(field)) => return Some(Ok(field)),
                Err(error) => {
                    self.rest = &[];
                    return Some(Err(error));
                }
            }
        }
        None
    }
}
