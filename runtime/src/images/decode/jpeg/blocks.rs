//! Whether a JPEG's scan holds every block of the picture (ITU-T T.81, F.2, G.2).
//!
//! Decoders fill what is missing with grey and do not tell; here the codes are read, and no pixel is made.

use crate::images::decode::jpeg::bits::{Bits, Fault, Huffman};

/// A component of the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Sampling factors, 1 to 4.
    pub(super) across: u32,
    pub(super) down: u32,
}

/// A frame: what the picture is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) progressive: bool,
    pub(super) components: Vec<Component>,
}

impl Frame {
    /// The largest sampling factors.
    pub(super) fn most(&self) -> (u32, u32) {
        let across = self.components.iter().map(|c| c.across).max().unwrap_or(1);
        (across, self.components.iter().map(|c| c.down).max().unwrap_or(1))
    }

    /// Groups of blocks across and down in a scan of several components.
    fn groups(&self) -> (u32, u32) {
        let (across, down) = self.most();
        (self.width.div_ceil(8 * across), self.height.div_ceil(8 * down))
    }

    /// Blocks across and down in a scan of the component alone.
    pub(super) fn alone(&self, component: &Component) -> (u32, u32) {
        let (across, down) = self.most();
        let samples = |size: u32, factor: u32, most: u32| (size * factor).div_ceil(most);
        let blocks = (samples(self.width, component.across, across), samples(self.height, component.down, down));
        (blocks.0.div_ceil(8), blocks.1.div_ceil(8))
    }

    /// Blocks across and down that a decoder keeps of a component: those of all groups.
    fn kept(&self, component: &Component) -> (u32, u32) {
        let (across, down) = self.groups();
        (across * component.across, down * component.down)
    }
}

/// A scan's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scan {
    /// Places in the frame of its components, each with its DC and AC tables.
    pub(super) parts: Vec<(usize, usize, usize)>,
    /// First and last coefficient.
    pub(super) first: u8,
    pub(super) last: u8,
    /// Bits that were left open before it and that it leaves open.
    pub(super) high: u8,
    pub(super) low: u8,
}

/// Huffman tables that a file has defined so far.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) dc: [Option<Huffman>; 4],
    pub(super) ac: [Option<Huffman>; 4],
}

/// Which coefficients of each block are not zero, by component; progressive scans depend on it.
#[derive(Default)]
pub(super) struct Blocks(Vec<Vec<u64>>);

impl Blocks {
    pub(super) fn of(frame: &Frame) -> Blocks {
        let count =
            |c: &Component| if frame.progressive { frame.kept(c).0 as usize * frame.kept(c).1 as usize } else { 0 };
        Blocks(frame.components.iter().map(|c| vec![0; count(c)]).collect())
    }
}

const NO_TABLE: Fault = Fault::Wrong("a scan without its table");

/// Reads all blocks of a scan, `restart` groups between restart markers (0 for none).
pub(super) fn read(
    bits: &mut Bits<'_>,
    (frame, scan): (&Frame, &Scan),
    tables: &Tables,
    blocks: &mut Blocks,
    restart: u32,
) -> Result<(), Fault> {
    // Of every block of a scan is asked in which row of its component it lies.
    let part = |&(place, dc, ac): &(usize, usize, usize)| {
        let component = &frame.components[place];
        (place, component, dc, ac, frame.kept(component).0 as usize)
    };
    let parts: Vec<_> = scan.parts.iter().map(part).collect();
    let (across, down) = match parts[..] {
        [(_, component, ..)] => frame.alone(component),
        _ => frame.groups(),
    };
    let (mut run, mut until, mut number) = (0, restart, 0);
    for y in 0..down {
        for x in 0..across {
            if restart > 0 && until == 0 {
                bits.restart(number)?;
                (run, until, number) = (0, restart, (number + 1) % 8);
            }
            until = until.wrapping_sub(1);
            for &(place, component, dc, ac, row) in &parts {
                let (dc, ac) = (tables.dc[dc].as_ref(), tables.ac[ac].as_ref());
                let (h, v) = if parts.len() == 1 { (1, 1) } else { (component.across, component.down) };
                for block in 0..h * v {
                    if !frame.progressive {
                        sequential(bits, dc.ok_or(NO_TABLE)?, ac.ok_or(NO_TABLE)?)?;
                    } else if scan.first == 0 {
                        dc_of_progressive(bits, dc, scan.high > 0)?;
                    } else {
                        let (x, y) = (x * h + block % h, y * v + block / h);
                        let at = y as usize * row + x as usize;
                        let set = &mut blocks.0[place][at];
                        let ac = ac.ok_or(NO_TABLE)?;
                        let band = (u32::from(scan.first), u32::from(scan.last));
                        match scan.high {
                            0 => ac_first(bits, ac, band, set, &mut run)?,
                            _ => ac_refined(bits, ac, band, set, &mut run)?,
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

const TOO_LARGE: Fault = Fault::Wrong("a coefficient that is too large");
const PAST_BLOCK: Fault = Fault::Wrong("a coefficient past the end of its block");

fn dc_difference(bits: &mut Bits<'_>, table: &Huffman) -> Result<(), Fault> {
    match bits.symbol(table)? {
        0..=11 => Ok(()),
        _ => Err(TOO_LARGE),
    }
}

fn sequential(bits: &mut Bits<'_>, dc: &Huffman, ac: &Huffman) -> Result<(), Fault> {
    dc_difference(bits, dc)?;
    let mut k = 1;
    while k < 64 {
        let symbol = bits.symbol(ac)?;
        let (zeros, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        match (zeros, size) {
            (15, 0) => k += 16,
            (_, 0) => break,
            _ if k + zeros > 63 => return Err(PAST_BLOCK),
            _ => k += zeros + 1,
        }
    }
    Ok(())
}

fn dc_of_progressive(bits: &mut Bits<'_>, table: Option<&Huffman>, refined: bool) -> Result<(), Fault> {
    if refined { bits.skip(1) } else { dc_difference(bits, table.ok_or(NO_TABLE)?) }
}

/// Blocks that the code of a run ends, this one included.
fn run_of(bits: &mut Bits<'_>, length: u32) -> Result<u32, Fault> {
    Ok((1 << length) + if length > 0 { bits.take(length)? } else { 0 })
}

fn ac_first(
    bits: &mut Bits<'_>,
    table: &Huffman,
    (first, last): (u32, u32),
    set: &mut u64,
    run: &mut u32,
) -> Result<(), Fault> {
    if *run > 0 {
        *run -= 1;
        return Ok(());
    }
    let mut k = first;
    while k <= last {
        let symbol = bits.symbol(table)?;
        let (zeros, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        match (zeros, size) {
            (15, 0) => k += 16,
            (_, 0) => {
                *run = run_of(bits, zeros)? - 1;
                break;
            }
            _ if k + zeros > 63 => return Err(PAST_BLOCK),
            _ => {
                *set |= 1 << (k + zeros);
                k += zeros + 1;
            }
        }
    }
    Ok(())
}

fn ac_refined(
    bits: &mut Bits<'_>,
    table: &Huffman,
    (first, last): (u32, u32),
    set: &mut u64,
    run: &mut u32,
) -> Result<(), Fault> {
    let mut k = first;
    while *run == 0 && k <= last {
        let symbol = bits.symbol(table)?;
        let (mut zeros, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        match size {
            0 if zeros < 15 => {
                *run = run_of(bits, zeros)?;
                break;
            }
            0 | 1 => {}
            _ => return Err(TOO_LARGE),
        }
        // Past as many coefficients that are zero; each other has a bit of its own.
        while k <= last {
            if *set >> k & 1 == 1 {
                bits.skip(1)?;
            } else if zeros == 0 {
                break;
            } else {
                zeros -= 1;
            }
            k += 1;
        }
        if size == 1 {
            if k > last {
                return Err(PAST_BLOCK);
            }
            *set |= 1 << k;
        }
        k += 1;
    }
    if *run > 0 {
        let rest = if k > last { 0 } else { *set >> k & (u64::MAX >> (63 - (last - k))) };
        for _ in 0..rest.count_ones() {
            bits.skip(1)?;
        }
        *run -= 1;
    }
    Ok(())
}
