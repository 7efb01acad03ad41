//! A state as bytes.
//!
//! `count u32 · width u32 · height u32 · boxes f32 [count, 4] (images) · tensors`, little-endian, the tensors in 16-bit
//! floats in the order of the header.

use half::f16;
use mmnas_bundle::boxes::BoxXyxy;
use mmnas_bundle::manifest::MAX_REGIONS;

use crate::engine::stage::Tensors;
use crate::engine::tensor::{Data, Tensor};
use crate::error::{Error, Result};
use crate::index::header::{IndexKind, StoredTensor};

/// What is stored of a state.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    pub(super) tensors: Tensors,
    /// Of images; none of texts.
    pub(super) boxes: Vec<BoxXyxy>,
    pub(super) size: (u32, u32),
    /// Regions or words.
    pub(super) count: usize,
}

const BEFORE_BOXES: usize = 12;
const BOX_BYTES: usize = 16;

/// Most regions or words of a state.
///
/// What is longer is refused when it is put, so that no read has to.
fn most(kind: IndexKind) -> usize {
    match kind {
        IndexKind::Image => MAX_REGIONS,
        IndexKind::Text => 1 << 16,
    }
}

/// Bytes before the tensors.
pub(super) fn tensors_at(kind: IndexKind, count: usize) -> usize {
    BEFORE_BOXES + if kind == IndexKind::Image { count * BOX_BYTES } else { 0 }
}

/// The state's bytes.
pub(super) fn encode(state: &Stored, kind: IndexKind, tensors: &[StoredTensor]) -> Result<Vec<u8>> {
    if state.count == 0 || state.count > most(kind) {
        return Err(Error::argument("state", format!("1 to {} regions or words", most(kind)), state.count));
    }
    let mut bytes = Vec::new();
    for number in [state.count as u64, state.size.0.into(), state.size.1.into()] {
        let number = u32::try_from(number).map_err(|_| Error::argument("state", "fewer regions or words", number))?;
        bytes.extend(number.to_le_bytes());
    }
    if kind == IndexKind::Image {
        state.boxes.iter().flatten().for_each(|v| bytes.extend(v.to_le_bytes()));
    }
    for stored in tensors {
        let tensor = state.tensors.get(&stored.name).and_then(Tensor::as_f32);
        let values = tensor.filter(|values| Some(values.len()) == stored.numbers(state.count));
        let values = values.ok_or_else(|| Error::argument("state", format!("a tensor {:?}", stored.name), "none"))?;
        for &value in values {
            let small = f16::from_f32(value);
            if !small.is_finite() {
                return Err(Error::argument("state", "numbers up to 65,504, which fit 16 bits", value));
            }
            bytes.extend(small.to_le_bytes());
        }
    }
    Ok(bytes)
}

/// The state of bytes; none where they are not one.
pub(super) fn decode(bytes: &[u8], kind: IndexKind, tensors: &[StoredTensor]) -> Option<Stored> {
    let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let count = usize::try_from(number(0)?).ok()?;
    // So that nothing below overflows or takes all memory.
    if count == 0 || count > most(kind) {
        return None;
    }
    let start = tensors_at(kind, count);
    let corners = bytes.get(BEFORE_BOXES..start)?;
    let corner = |c: &[u8]| f32::from_le_bytes([c[0], c[1], c[2], c[3]]);
    let corners: Vec<f32> = corners.chunks_exact(4).map(corner).collect();
    let boxes = corners.chunks_exact(4).map(|c| [c[0], c[1], c[2], c[3]]).collect();
    let mut rest = &bytes[start..];
    let mut found = Tensors::new();
    for stored in tensors {
        let (own, others) = rest.split_at_checked(stored.numbers(count)?.checked_mul(2)?)?;
        let values = own.chunks_exact(2).map(|v| f16::from_le_bytes([v[0], v[1]]).to_f32()).collect();
        found.insert(stored.name.clone(), Tensor::new(stored.sizes(count), Data::F32(values))?);
        rest = others;
    }
    rest.is_empty().then_some(Stored { tensors: found, boxes, size: (number(4)?, number(8)?), count })
}

/// The numbers of the first tensor alone; none where the bytes are too short.
pub(super) fn first_tensor(bytes: &[u8], kind: IndexKind, tensors: &[StoredTensor]) -> Option<Vec<f32>> {
    let count = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    let count = usize::try_from(count).ok().filter(|count| (1..=most(kind)).contains(count))?;
    let start = tensors_at(kind, count);
    let length = tensors.first()?.numbers(count)?.checked_mul(2)?;
    let numbers = bytes.get(start..start.checked_add(length)?)?;
    Some(numbers.chunks_exact(2).map(|v| f16::from_le_bytes([v[0], v[1]]).to_f32()).collect())
}

#[cfg(test)]
mod tests {
    use mmnas_bundle::manifest::Dim;

    use super::*;

    fn tensors() -> Vec<StoredTensor> {
        let named = |name: &str, shape: &[Dim]| StoredTensor { name: name.to_owned(), shape: shape.to_vec() };
        vec![named("e", &[Dim::Fixed(3)]), named("x", &[Dim::Named("regions".into()), Dim::Fixed(2)])]
    }

    fn state() -> Stored {
        let floats = |shape: &[usize], values: &[f32]| Tensor::new(shape.to_vec(), Data::F32(values.to_vec())).unwrap();
        Stored {
            tensors: Tensors::from([
                ("x".to_owned(), floats(&[1, 2, 2], &[1.0, -2.5, 3.0, 0.125])),
                ("e".to_owned(), floats(&[1, 3], &[0.5, 0.25, 65_504.0])),
            ]),
            boxes: vec![[0.1, 0.2, 30.7, 40.9], [1.0, 2.0, 3.0, 4.0]],
            size: (640, 480),
            count: 2,
        }
    }

    #[test]
    fn states_come_back() {
        let bytes = encode(&state(), IndexKind::Image, &tensors()).unwrap();
        assert_eq!(bytes.len(), 12 + 32 + 6 + 8);
        assert_eq!(decode(&bytes, IndexKind::Image, &tensors()).unwrap(), state());
        assert_eq!(first_tensor(&bytes, IndexKind::Image, &tensors()).unwrap(), [0.5, 0.25, 65_504.0]);
        let text = Stored { boxes: vec![], ..state() };
        let bytes = encode(&text, IndexKind::Text, &tensors()).unwrap();
        assert_eq!(decode(&bytes, IndexKind::Text, &tensors()).unwrap(), text);
    }

    #[test]
    fn what_is_no_state_is_none() {
        let bytes = encode(&state(), IndexKind::Image, &tensors()).unwrap();
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length], IndexKind::Image, &tensors()).is_none(), "{length}");
        }
        for count in [0, 1, 3, u32::MAX] {
            let mut other = bytes.clone();
            other[..4].copy_from_slice(&count.to_le_bytes());
            assert!(decode(&other, IndexKind::Image, &tensors()).is_none(), "{count}");
        }
    }

    #[test]
    fn what_16_bits_cannot_hold_is_an_error() {
        let mut large = state();
        large.tensors.insert("e".into(), Tensor::new(vec![1, 3], Data::F32(vec![0.0, 1e5, 0.0])).unwrap());
        assert!(encode(&large, IndexKind::Image, &tensors()).unwrap_err().to_string().contains("65,504"));
        large.tensors.remove("e");
        assert!(encode(&large, IndexKind::Image, &tensors()).is_err());
    }
}
