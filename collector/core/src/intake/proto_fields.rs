//! The fields of a protobuf message, one after the other, without decoding what is in them.
//!
//! In: bytes. Out: number and bytes of every length-delimited field; all others are passed over. Always holds: nothing is
//! allocated, whatever the bytes say; after an error there is nothing more.

/// The bytes are no protobuf message; why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Torn(pub(crate) &'static str);

/// A walk over the fields.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Torn> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Torn("a field ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// A key, and a value of wire type 0, are varints as lengths are.
    fn varint(&mut self) -> Result<usize, Torn> {
        prost::decode_length_delimiter(&mut self.rest).map_err(|_| Torn("a number is torn"))
    }

    /// `None` for a field of another kind.
    fn field(&mut self) -> Result<Option<(usize, &'a [u8])>, Torn> {
        let key = self.varint()?;
        match key & 7 {
            0 => self.varint().map(|_| None),
            1 => self.take(8).map(|_| None),
            2 => {
                let length = self.varint()?;
                Ok(Some((key >> 3, self.take(length)?)))
            }
            5 => self.take(4).map(|_| None),
            // Groups are gone since proto3, and the rest never was.
            _ => Err(Torn("a field is of no known kind")),
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(usize, &'a [u8]), Torn>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            match self.field() {
                Ok(None) => {}
                Ok(Some(field)) => return Some(Ok(field)),
                Err(torn) => {
                    self.rest = &[];
                    return Some(Err(torn));
                }
            }
        }
        None
    }
}
