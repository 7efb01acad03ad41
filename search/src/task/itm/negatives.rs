//! Negatives of image-text matching.
//!
//! They are captions that are not an image's, and images that are not a caption's.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use crate::nn::tensors::TensorMap;
use crate::task::EpochState;

/// The negatives of one epoch.
///
/// Captions are samples; an image is named by its index.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Negatives {
    /// Captions that are not true of an image, by image.
    pub captions: BTreeMap<usize, Vec<usize>>,
    /// Images that a caption is not true of, by caption.
    pub images: BTreeMap<usize, Vec<usize>>,
}

fn save(name: &str, lists: &BTreeMap<usize, Vec<usize>>, into: &mut TensorMap) {
    let keys: Vec<i64> = lists.keys().map(|&k| k as i64).collect();
    let counts: Vec<i64> = lists.values().map(|v| v.len() as i64).collect();
    let values: Vec<i64> = lists.values().flatten().map(|&v| v as i64).collect();
    for (part, values) in [("of", keys), ("counts", counts), ("values", values)] {
        into.insert(format!("negatives.{name}.{part}"), Tensor::from_slice(&values));
    }
}

fn load(name: &str, from: &TensorMap) -> std::result::Result<BTreeMap<usize, Vec<usize>>, String> {
    let read = |part: &str| -> std::result::Result<Vec<usize>, String> {
        let key = format!("negatives.{name}.{part}");
        let tensor = from.get(&key).filter(|t| t.kind() == Kind::Int64 && t.dim() == 1).ok_or_else(|| key.clone())?;
        let values = Vec::<i64>::try_from(tensor).map_err(|_| key.clone())?;
        values.into_iter().map(|v| usize::try_from(v).map_err(|_| key.clone())).collect()
    };
    let (keys, counts, values) = (read("of")?, read("counts")?, read("values")?);
    let mut values = values.into_iter();
    let lists: BTreeMap<usize, Vec<usize>> =
        keys.iter().zip(&counts).map(|(&key, &count)| (key, values.by_ref().take(count).collect())).collect();
    let whole = keys.len() == counts.len() && lists.values().zip(&counts).all(|(list, &n)| list.len() == n);
    if whole && values.next().is_none() { Ok(lists) } else { Err(format!("negatives.{name}.counts")) }
}

impl Negatives {
    /// Whether the epoch has none.
    ///
    /// See [`from_epoch`](crate::recipe::negatives::NegativeSettings::from_epoch).
    pub(crate) fn is_empty(&self) -> bool {
        self.captions.is_empty() && self.images.is_empty()
    }
}

impl EpochState for Negatives {
    fn save(&self, into: &mut TensorMap) {
        save("captions", &self.captions, into);
        save("images", &self.images, into);
    }

    fn load(from: &TensorMap) -> std::result::Result<Negatives, String> {
        Ok(Negatives { captions: load("captions", from)?, images: load("images", from)? })
    }
}
