//! Messages as they stand on the wire: numbers of fields, and their bytes.

/// The bytes of the first field of a number; none are empty.
pub(super) fn first(bytes: &[u8], number: u32) -> Result<&[u8], &'static str> {
    for field in Fields(bytes) {
        match field? {
            (n, Wire::Bytes(b)) if n == number => return Ok(b),
            _ => {}
        }
    }
    Ok(&[])
}

/// The whole number in a field; 0 if there is none.
pub(super) fn number(bytes: &[u8], number: u32) -> Result<i64, &'static str> {
    for field in Fields(bytes) {
        match field? {
            (n, Wire::Number(v)) if n == number => return Ok(v.cast_signed()),
            _ => {}
        }
    }
    Ok(0)
}

pub(super) fn text(bytes: &[u8]) -> Result<&str, &'static str> {
    std::str::from_utf8(bytes).map_err(|_| "a text is not UTF-8")
}

/// A value as it stands on the wire.
#[derive(Clone, Copy)]
pub(super) enum Wire<'a> {
    Number(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, in order.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

// === impl Fields ===

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Wire<'a>), &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<(u32, Wire<'a>), &'static str> {
        let tag = varint(&mut self.0)?;
        let number = u32::try_from(tag >> 3).map_err(|_| "a field number is too large")?;
        let wire = match tag & 7 {
            0 => Wire::Number(varint(&mut self.0)?),
            1 => Wire::Fixed(u64::from_le_bytes(self.fixed()?)),
            2 => {
                let len =
                    usize::try_from(varint(&mut self.0)?).map_err(|_| "a length is too large")?;
                Wire::Bytes(self.take(len)?)
            }
            5 => Wire::Fixed(u32::from_le_bytes(self.fixed()?).into()),
            _ => return Err("an unknown wire type"),
        };
        Ok((number, wire))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self
            .0
            .split_at_checked(len)
            .ok_or("it ends in the middle of a field")?;
        self.0 = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let bytes = self.take(N)?;
        bytes
            .try_into()
            .map_err(|_| "it ends in the middle of a field")
    }
}

pub(super) fn varint(bytes: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes
            .split_first()
            .ok_or("it ends in the middle of a number")?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number is too long")
}
