//! The sizes of a network from the shapes of its parameters.

use std::path::Path;

use mmnas_bundle::Architecture;
use mmnas_bundle::manifest::{Dimensions, EmbeddingDimensions, TaskName};
use mmnas_export::Weights;

use crate::bundle::import::settings::{ImportSettings, wrong};
use crate::error::Result;

/// The size of the parameter `name` in the dimension `axis`, of `rank`.
fn size(weights: &Weights, name: &str, (axis, rank): (usize, usize), file: &Path) -> Result<usize> {
    let shape = weights.iter().find(|(known, _)| *known == name).map(|(_, weight)| &weight.shape);
    let found = shape.map_or("none".to_owned(), |shape| format!("{shape:?}"));
    let known = shape.filter(|shape| shape.len() == rank).and_then(|shape| shape.get(axis).copied());
    known.filter(|&n| n > 0).ok_or_else(|| wrong(file, name, &format!("a tensor of rank {rank}"), found))
}

/// The sizes of the network whose parameters `weights` are.
pub(crate) fn of(
    weights: &Weights,
    architecture: &Architecture,
    settings: ImportSettings,
    file: &Path,
) -> Result<Dimensions> {
    let size = |name: &str, axis: usize| size(weights, name, (axis, 2), file);
    let hidden = size("imgfeat_linear.weight", 0)?;
    // A network is made before its parameters are compared. So one that is far larger than the
    // whole file is refused here.
    let most = u64::try_from(hidden).ok().and_then(|h| h.checked_mul(h)).unwrap_or(u64::MAX);
    if most > weights.count() {
        let expected = format!("rows of a network of {} numbers", weights.count());
        return Err(wrong(file, "imgfeat_linear.weight", &expected, format!("H = {hidden}")));
    }
    // An RSA block has one row a head.
    let of_network = mmnas_bundle::Heads::OF_NETWORK;
    let rsa = architecture.decoder.iter().position(|operation| {
        operation.kind().and_then(|kind| kind.relation_heads()).is_some_and(|heads| heads == of_network)
    });
    let head = match rsa {
        Some(block) => {
            let name = format!("backnone.cells_dec.0.dag.{block}.0.mhatt.linear_r.weight");
            let heads = size(&name, 0)?;
            if !hidden.is_multiple_of(heads) {
                return Err(wrong(file, &name, &format!("a number of rows that divides {hidden}"), heads.to_string()));
            }
            hidden / heads
        }
        None => settings.head,
    };
    let own = size("embed_x.weight", 0).ok();
    let linear = own.and_then(|_| size("embed_w.weight", 1).ok());
    // Without an embedding of its own a network that grounds has linear ones of regions.
    let of_regions = own.is_none() && settings.task == TaskName::Vgd;
    let region_width = size("embed_w.weight", 1).ok().filter(|_| of_regions);
    let (feature, vocabulary) = (size("imgfeat_linear.weight", 1)?, size("embedding.weight", 0)?);
    // Matrices that the shapes ask for are no larger than all that the file holds.
    let asked = [("embed_x.weight", own, hidden), ("embed_w.weight", linear.or(region_width), vocabulary.max(feature))];
    for (name, width, rows) in asked {
        let Some(width) = width else { continue };
        let numbers = u64::try_from(rows).ok().zip(u64::try_from(width).ok()).and_then(|(a, b)| a.checked_mul(b));
        if numbers.is_none_or(|numbers| numbers > weights.count()) {
            let expected = format!("a matrix of a network of {} numbers", weights.count());
            return Err(wrong(file, name, &expected, format!("{rows} × {width}")));
        }
    }
    Ok(Dimensions {
        hidden,
        feature,
        embedding: size("embedding.weight", 1)?,
        vocabulary,
        outputs: if settings.task == TaskName::Vqa { size("proj.weight", 0)? } else { 1 },
        attflat: size("attflat_x.mlp.fc.linear.weight", 0)?,
        head,
        relation: size("linear_y_rel.weight", 0)?,
        embeddings: match (own, region_width) {
            (Some(own), _) => Some(EmbeddingDimensions::DualEncoder {
                width: own.saturating_add(linear.unwrap_or(0)),
                features: size("embed_f.weight", 0).is_ok(),
                linear,
            }),
            (None, width) => width.map(|width| EmbeddingDimensions::Regions { width }),
        },
    })
}
