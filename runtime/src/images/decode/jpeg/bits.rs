//! Bits and Huffman codes of a JPEG's scans (ITU-T T.81, F.2.2).

/// Why the blocks of a scan cannot all be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The data ends, or a marker stands where data should be.
    Short,
    /// The data says something that no encoder writes.
    Wrong(&'static str),
}

/// Bits that a code is looked up by at once.
const LOOKUP: u32 = 9;

/// A table of Huffman codes.
pub(super) struct Huffman {
    /// Length and symbol by the first bits; length 0 where the code is longer.
    short: [(u8, u8); 1 << LOOKUP],
    /// The last code of each length from 1, and how to come to its place.
    ///
    /// The second number is added to a code to have its symbol's place; `None` for no code.
    long: [Option<(u32, i32)>; 16],
    symbols: Vec<u8>,
}

impl Huffman {
    /// Builds a table from the number of codes of each length and their symbols.
    ///
    /// Lengths count from 1, and the symbols are in their order. `None` where there are more codes than bits for them,
    /// or another number of symbols.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Huffman> {
        let mut table = Huffman { short: [(0, 0); 1 << LOOKUP], long: [None; 16], symbols: symbols.to_vec() };
        let (mut code, mut place) = (0u32, 0usize);
        for (length, &count) in (1u32..).zip(counts) {
            let first = code;
            for _ in 0..count {
                let symbol = *symbols.get(place)?;
                if code >> length != 0 {
                    return None;
                }
                if length <= LOOKUP {
                    let from = (code << (LOOKUP - length)) as usize;
                    table.short[from..from + (1 << (LOOKUP - length))].fill((length as u8, symbol));
                }
                code += 1;
                place += 1;
            }
            if count > 0 {
                table.long[length as usize - 1] = Some((code - 1, place as i32 - i32::from(count) - first as i32));
            }
            code <<= 1;
        }
        (place == symbols.len()).then_some(table)
    }
}

/// The bits of a scan up to the next marker, most significant first.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits from the top; zeros below them.
    bits: u64,
    left: u32,
}

impl<'a> Bits<'a> {
    /// From the place `at` in a file.
    pub(super) fn new(data: &'a [u8], at: usize) -> Bits<'a> {
        Bits { data, at, bits: 0, left: 0 }
    }

    /// Where no byte was looked at yet: at the next marker or before it.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Whether the last bytes used, or all that follow, are zeros.
    ///
    /// A download leaves zeros where nothing has arrived. A few zeros are codes of many blocks.
    pub(super) fn ends_in_zeros(&self) -> bool {
        let end = self.at.saturating_sub(self.left as usize / 8);
        let used = self.data.get(end.saturating_sub(4)..end).is_some_and(|last| last == [0; 4]);
        let rest = self.data.get(end..).unwrap_or_default();
        used || (!rest.is_empty() && rest.iter().all(|byte| *byte == 0))
    }

    fn refill(&mut self) {
        if self.left <= 32
            && let Some(next) = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<4>())
        {
            let word = u32::from_be_bytes(*next);
            // Unless one of its bytes is 0xff.
            if (!word).wrapping_sub(0x0101_0101) & word & 0x8080_8080 == 0 {
                self.bits |= u64::from(word) << (32 - self.left);
                self.left += 32;
                self.at += 4;
                return;
            }
        }
        while self.left <= 56 {
            let Some(&byte) = self.data.get(self.at) else { return };
            let mut next = self.at + 1;
            if byte == 0xff {
                // 0xff 0x00 is the byte 0xff, also after more of 0xff; any other is a marker.
                while self.data.get(next) == Some(&0xff) {
                    next += 1;
                }
                if self.data.get(next) != Some(&0) {
                    return;
                }
                next += 1;
            }
            self.bits |= u64::from(byte) << (56 - self.left);
            self.left += 8;
            self.at = next;
        }
    }

    #[inline]
    fn drop(&mut self, count: u32) -> Result<(), Fault> {
        self.left = self.left.checked_sub(count).ok_or(Fault::Short)?;
        self.bits <<= count;
        Ok(())
    }

    /// Passes over up to 16 bits.
    pub(super) fn skip(&mut self, count: u32) -> Result<(), Fault> {
        if self.left < count {
            self.refill();
        }
        self.drop(count)
    }

    /// The next bits, 1 to 16.
    pub(super) fn take(&mut self, count: u32) -> Result<u32, Fault> {
        if self.left < count {
            self.refill();
        }
        let value = (self.bits >> (64 - count)) as u32;
        self.drop(count)?;
        Ok(value)
    }

    /// The next code's symbol.
    ///
    /// Passes over the bits of its value too, whose number are the symbol's lower four bits.
    #[inline]
    pub(super) fn symbol(&mut self, table: &Huffman) -> Result<u8, Fault> {
        // Enough for the longest code and the longest value.
        if self.left < 32 {
            self.refill();
        }
        let (length, symbol) = table.short[(self.bits >> (64 - LOOKUP)) as usize];
        if length > 0 {
            self.drop(u32::from(length) + u32::from(symbol & 15))?;
            return Ok(symbol);
        }
        self.long_symbol(table)
    }

    #[cold]
    fn long_symbol(&mut self, table: &Huffman) -> Result<u8, Fault> {
        for length in LOOKUP + 1..=16 {
            let code = (self.bits >> (64 - length)) as u32;
            if let Some((last, offset)) = table.long[length as usize - 1]
                && code <= last
            {
                let symbol = usize::try_from(code as i32 + offset).ok().and_then(|place| table.symbols.get(place));
                let symbol = *symbol.ok_or(Fault::Wrong("a code that its table lacks"))?;
                self.drop(length + u32::from(symbol & 15))?;
                return Ok(symbol);
            }
        }
        Err(if self.left < 16 { Fault::Short } else { Fault::Wrong("a code that its table lacks") })
    }

    /// Goes past the restart marker that must be next, of the number 0 to 7.
    ///
    /// Bytes before it are passed over.
    pub(super) fn restart(&mut self, number: u8) -> Result<(), Fault> {
        (self.bits, self.left) = (0, 0);
        match next_marker(self.data, self.at) {
            None => Err(Fault::Short),
            Some((marker, after)) if marker == 0xd0 + number => {
                self.at = after;
                Ok(())
            }
            Some((0xd0..=0xd7, _)) => Err(Fault::Wrong("a restart marker out of turn")),
            Some(_) => Err(Fault::Short),
        }
    }
}

/// The next marker from `at` on and the place after it.
pub(super) fn next_marker(data: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        at += data.get(at..)?.iter().position(|&byte| byte == 0xff)?;
        while data.get(at) == Some(&0xff) {
            at += 1;
        }
        match data.get(at)? {
            0 => at += 1,
            &marker => return Some((marker, at + 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes 0, 10, 110 and one of 12 bits, 1110 0000 0000.
    fn table() -> Huffman {
        let mut counts = [0; 16];
        (counts[0], counts[1], counts[2], counts[11]) = (1, 1, 1, 1);
        Huffman::new(&counts, &[0x10, 0x20, 0x32, 0x40]).unwrap()
    }

    #[test]
    fn codes_are_read_up_to_the_next_marker() {
        // 0 10 110 and a value of two bits | 1110 0000 0000 | the byte 0xff by 0xff 0x00 | a marker.
        let data = [0b0101_1001, 0b1110_0000, 0b0000_1111, 0xff, 0x00, 0xff, 0xd9];
        let mut bits = Bits::new(&data, 0);
        let symbols: Vec<_> = (0..4).map(|_| bits.symbol(&table()).unwrap()).collect();
        assert_eq!(symbols, [0x10, 0x20, 0x32, 0x40]);
        assert_eq!(bits.take(12), Ok(0xfff));
        assert_eq!((bits.symbol(&table()), bits.take(1), bits.at()), (Err(Fault::Short), Err(Fault::Short), 5));
        assert_eq!(next_marker(&data, 0), Some((0xd9, 7)));
        assert_eq!(Bits::new(&[0xff, 0xff, 0xff, 0], 0).take(8), Ok(0xff), "fill bytes before a byte 0xff");
        assert!(matches!(Bits::new(&[0xfa, 0xaa, 0xaa], 0).symbol(&table()), Err(Fault::Wrong(_))));
    }

    #[test]
    fn tables_that_are_none_are_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Huffman::new(&counts, &[1, 2, 3]).is_none(), "three codes of one bit");
        counts[0] = 1;
        assert!(Huffman::new(&counts, &[]).is_none() && Huffman::new(&counts, &[1, 2]).is_none());
    }

    #[test]
    fn a_restart_must_be_there_and_in_turn() {
        let data = [1, 2, 0xff, 0xd1, 3];
        let mut bits = Bits::new(&data, 0);
        assert_eq!(bits.restart(1), Ok(()));
        assert_eq!(bits.take(8), Ok(3));
        assert!(matches!(Bits::new(&data, 0).restart(0), Err(Fault::Wrong(_))));
        assert_eq!(Bits::new(&[1, 0xff, 0xd9], 0).restart(0), Err(Fault::Short));
        assert_eq!(Bits::new(&[1], 0).restart(0), Err(Fault::Short));
    }
}
