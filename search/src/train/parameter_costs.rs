//! What operations cost in trained parameters.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use mmnas_bundle::latency::costs::{BlockCost, NetworkCosts, StageCosts};
use mmnas_bundle::manifest::Dimensions;
use mmnas_bundle::{Architecture, Operation};

use crate::error::Result;
use crate::model::network::{Naming, Network};
use crate::operations::pool::Pool;
use crate::space::search_space::Space;
use crate::task::Task;

/// Trained parameters of the space's operations in networks of these sizes.
///
/// A block brings as many wherever it stands, so that the sum over the blocks is exact.
///
/// # Errors
///
/// [`crate::error::Error::Operation`] for an operation that cannot be built at these sizes.
pub fn parameter_costs<T: Task>(space: &Space, pool: &Pool, dimensions: &Dimensions) -> Result<NetworkCosts> {
    space.check(dimensions)?;
    let count = |encoder: &[Operation], decoder: &[Operation]| -> Result<f64> {
        let architecture = Architecture { encoder: encoder.to_vec(), decoder: decoder.to_vec() };
        let space = Space::single(&architecture, pool)?;
        Ok(Network::new(&space, dimensions, Naming::Derived, tch::Device::Cpu, T::head).trained_numbers() as f64)
    };
    let fixed = count(&[], &[])?;
    let costs = |blocks: &[Vec<Operation>], of: &dyn Fn(Operation) -> Result<f64>| {
        let mut costs: BTreeMap<Operation, BlockCost> = BTreeMap::new();
        for &operation in blocks.iter().flatten() {
            if let Entry::Vacant(vacant) = costs.entry(operation) {
                vacant.insert(BlockCost { each: of(operation)? - fixed, first: 0.0 });
            }
        }
        Ok::<_, crate::error::Error>(costs)
    };
    let operations = space.operations();
    let (encoder, decoder) = operations.split_at(space.encoder.len());
    let text = costs(encoder, &|operation| count(&[operation], &[]))?;
    let image = costs(decoder, &|operation| count(&[], &[operation]))?;
    let served = |stage: &BTreeMap<Operation, BlockCost>| {
        let nothing = BlockCost { each: 0.0, first: 0.0 };
        stage.keys().map(|operation| (*operation, nothing)).collect::<BTreeMap<_, _>>()
    };
    // All of it is counted where a block stands, nothing where another stage serves it.
    Ok(NetworkCosts {
        vision: None,
        text: StageCosts { fixed, blocks: text, shared: served(&image) },
        image: StageCosts { fixed: 0.0, blocks: image.clone(), shared: served(&image) },
        fusion: StageCosts { fixed: 0.0, blocks: image, shared: BTreeMap::new() },
    })
}
